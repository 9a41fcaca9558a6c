import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { belowRoot } from '../../../src/cli/commands/site-path.ts';

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'isocket-site-path-')));
  mkdirSync(`${folder}/datas/DC1/sub`, { recursive: true });
  mkdirSync(`${folder}/datas/DC2/DC1`, { recursive: true });
  mkdirSync(`${folder}/elsewhere/DC1`, { recursive: true });
  for (const path of ['DC1/a', 'DC1/sub/b', 'DC2/DC1/a']) writeFileSync(`${folder}/datas/${path}`, '');
  symlinkSync('datas', `${folder}/link`);
  symlinkSync('DC1', `${folder}/datas/DC9`);
});
afterAll(() => rmSync(folder, { recursive: true }));

// A path from the working directory counts if it is there and leads below the root; else one from the root.
it.each([
  ['elsewhere', 'DC1', 'DC1'],
  ['elsewhere', 'DC1/', 'DC1'],
  ['elsewhere', 'DC1//', 'DC1'],
  ['elsewhere', 'DC1/a', 'DC1/a'],
  ['elsewhere', 'DC1/sub/../a', 'DC1/a'],
  ['elsewhere', './DC1/a', undefined],
  ['elsewhere', '../datas/DC1', 'DC1'],
  ['elsewhere', '../link/DC1/', 'DC1'],
  ['elsewhere', '../link/DC1/sub/b', 'DC1/sub/b'],
  ['elsewhere', 'ROOT/DC1/', 'DC1'],
  ['elsewhere', 'ROOT/DC1/none', 'DC1/none'],
  ['elsewhere', 'none', 'none'],
  ['elsewhere', '/etc/passwd', undefined],
  ['elsewhere', '../../DC1', undefined],
  ['elsewhere', 'ROOT', undefined],
  ['datas', 'DC1', 'DC1'],
  ['datas', '.', undefined],
  ['datas', 'DC9', 'DC9'],
  ['datas/DC1', 'a', 'DC1/a'],
  ['datas/DC1', '.', 'DC1'],
  ['datas/DC1', 'sub/b', 'DC1/sub/b'],
  ['datas/DC2', 'DC1/a', 'DC2/DC1/a'],
  ['datas/DC1', 'DC2', 'DC2'],
  ['link/DC1', 'sub/b', 'DC1/sub/b'],
])('in %s, %s is %s', (cwd, argument, expected) => {
  const named = argument.replace('ROOT', `${folder}/datas`);
  expect(belowRoot(named, `${folder}/datas`, `${folder}/${cwd}`)).toBe(expected);
});
