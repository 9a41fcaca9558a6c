import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { walk, type Entry } from '../../../src/source/scanner.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-walk-'));
});
afterEach(() => {
  // rm walks by descriptors: a path may be longer than Node can name.
  execFileSync('rm', ['-rf', folder]);
});
const all = (): Entry[] => [...walk(`${folder}/DC1`, () => false)];
const makeLevels = (levels: number): void => {
  const program = `import os, sys
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
for level in range(int(sys.argv[2])):
    os.mkdir("d"); os.mkdir("z"); os.chdir("d")
open("deepest", "w")`;
  execFileSync('python3', ['-c', program, `${folder}/DC1`, String(levels)]);
};

it('walks a tree of as many levels as a path may name, in a time that grows with its folders alone', () => {
  const levels = 1_900;
  makeLevels(levels);
  const cpu = process.cpuUsage();
  const entries = all();
  const { user, system } = process.cpuUsage(cpu);
  expect(entries.filter(({ kind }) => kind === 'folder')).toHaveLength(2 * levels);
  expect(entries.filter(({ kind }) => kind !== 'folder')).toMatchObject([{ kind: 'file' }]);
  // 3,000 levels took 13 s.
  expect((user + system) / 1e6).toBeLessThan(2);
});

it('names the folder whose path is too long, and goes no deeper', () => {
  makeLevels(3_000);
  writeFileSync(`${folder}/DC1/file`, '');
  const entries = all();
  const unreadable = entries.filter((entry) => entry.kind === 'unreadable');
  expect(unreadable.length).toBeGreaterThan(0);
  for (const { error, path } of unreadable) {
    expect(error).toMatchObject({ code: 'ENAMETOOLONG' });
    expect(`${folder}/DC1/${path}`.length).toBe(4096);
  }
  expect(entries).toContainEqual(expect.objectContaining({ kind: 'file', path: 'file' }));
});

it('is not led away where a folder is moved while it is walked', () => {
  for (const path of ['a/b/c', 'a/e', 'f']) mkdirSync(`${folder}/DC1/${path}`, { recursive: true });
  mkdirSync(`${folder}/outside/e`, { recursive: true });
  writeFileSync(`${folder}/outside/e/secret`, '');
  writeFileSync(`${folder}/DC1/a/e/file`, '');
  const seen: string[] = [];
  for (const entry of walk(`${folder}/DC1`, () => false)) {
    seen.push(entry.path);
    // From "c" the way up leads outside now.
    if (entry.path === 'a/b/c') renameSync(`${folder}/DC1/a/b`, `${folder}/outside/b`);
  }
  expect(seen.toSorted()).toEqual(['a', 'a/b', 'a/b/c', 'a/e', 'a/e/file', 'f']);
});
