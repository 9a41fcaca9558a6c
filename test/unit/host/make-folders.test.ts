import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolders } from '../../../src/host/make-folders.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('makes what is missing, and leaves what is there', () => {
  makeFolders(`${folder}/a/b/c`, 0o700);
  makeFolders(`${folder}/a/b/c`, 0o700);
  expect(statSync(`${folder}/a/b/c`).mode & 0o777).toBe(0o700);
});

it.each([
  ['where the kernel lets nobody make a name', () => '/proc/x/records'],
  ['below a file', () => (writeFileSync(`${folder}/file`, ''), `${folder}/file/a/b`)],
  ['below a dangling link', () => (symlinkSync(`${folder}/nowhere`, `${folder}/link`), `${folder}/link/a`)],
])('fails at once %s', (_, pathOf) => {
  const path = pathOf();
  expect(() => makeFolders(path, 0o700)).toThrow(/E(NOENT|NOTDIR|EXIST)/);
  expect(existsSync(path)).toBe(false);
});

it('nothing else makes folders with those above them', () => {
  const src = join(import.meta.dirname, '../../../src');
  const others = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    // The suite makes folders in those that its tests were given.
    (name) => name.endsWith('.ts') && !name.startsWith('transport-suite/'),
  );
  const found = others.filter((name) =>
    /mkdir(?:Sync)?\([^;]*recursive: true/.test(readFileSync(join(src, name), 'utf8')),
  );
  expect(found).toEqual([]);
});
