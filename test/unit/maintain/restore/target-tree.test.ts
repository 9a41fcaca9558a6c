import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TargetTree } from '../../../../src/maintain/restore/target-tree.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'isocket-target-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

it('looks at what is there without making anything, and makes what is missing when it is written', () => {
  using tree = new TargetTree(base, 'DC1');
  expect(tree.stat('sub/a')).toBeUndefined();
  expect(readdirSync(base)).toEqual([]);
  writeFileSync(tree.at('sub/deep/a'), 'x');
  expect(tree.stat('sub/deep/a')?.size).toBe(1n);
  expect(tree.stat('sub/deep')?.isDirectory()).toBe(true);
});

it('goes through no link, whatever it leads to, and follows none that a folder is swapped for', () => {
  const outside = `${base}/outside`;
  mkdirSync(outside);
  mkdirSync(`${base}/DC1`);
  for (const name of ['sub', 'a']) symlinkSync(outside, `${base}/DC1/${name}`);
  using tree = new TargetTree(base, 'DC1');
  expect(() => tree.stat('sub/x')).toThrow(/ELOOP|ENOTDIR/);
  expect(() => tree.at('sub/x')).toThrow(/ELOOP|ENOTDIR/);
  expect(tree.stat('a')?.isSymbolicLink()).toBe(true);
  tree.folder('later');
  rmSync(`${base}/DC1/later`, { recursive: true });
  symlinkSync(outside, `${base}/DC1/later`);
  expect(() => writeFileSync(tree.at('later/x'), '')).toThrow('ENOENT');
  expect(readdirSync(outside)).toEqual([]);
});

it('keeps no more folders open than it may, and finds those again that it has closed', () => {
  using tree = new TargetTree(base, 'DC1');
  const before = readdirSync('/proc/self/fd').length;
  for (let index = 0; index < 500; index += 1) writeFileSync(tree.at(`f${index}/a`), String(index));
  expect(readdirSync('/proc/self/fd').length - before).toBeLessThan(200);
  expect(tree.stat('f0/a')?.size).toBe(1n);
});
