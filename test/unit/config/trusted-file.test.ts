import { chmodSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTransports } from '../../../src/cli/commands/load-transports.ts';
import { findConfig } from '../../../src/config/find-config.ts';
import { distrust } from '../../../src/config/trusted-file.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-trust-'));
  mkdirSync(`${folder}/a/b`, { recursive: true });
  file = `${folder}/a/.isocketrc`;
  writeFileSync(file, 'site: X\n', { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true }));

const find = (flag?: string) =>
  findConfig({ cwd: `${folder}/a/b`, home: folder, etc: `${folder}/etc`, ...(flag === undefined ? {} : { flag }) });

/** What another user could have made, as far as this user may make it so. */
const strange: Readonly<Record<string, readonly [make: () => void, words: string]>> = {
  'the file can be written by its group': [() => chmodSync(file, 0o664), 'it can be written by other users'],
  'its folder can be written by all': [() => chmodSync(`${folder}/a`, 0o777), 'a can be written by other users'],
  ...(isRoot && {
    'the file belongs to another user': [() => lchownSync(file, NOBODY, NOBODY), 'it belongs to user nobody'],
    'its folder belongs to another user': [() => lchownSync(`${folder}/a`, NOBODY, NOBODY), 'a belongs to user nobody'],
    'another user links to it': [
      () => {
        rmSync(file);
        writeFileSync(`${folder}/mine`, 'site: X\n', { mode: 0o600 });
        symlinkSync(`${folder}/mine`, file);
        lchownSync(file, NOBODY, NOBODY);
      },
      'it belongs to user nobody',
    ],
  }),
};

describe.each(Object.entries(strange))('where %s', (_how, [make, words]) => {
  it('a configuration that is found is refused, and one that is named is used', async () => {
    expect((await find()).path).toBe(file);
    make();
    await expect(find()).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(words) as string,
      hint: expect.stringContaining(`--config ${file}`) as string,
    });
    expect((await find(file)).path).toBe(file);
  });
});

it('in a folder with the sticky bit nobody else can replace a file', () => {
  chmodSync(`${folder}/a`, 0o1777);
  expect(distrust(file)).toBeUndefined();
});

it('a module is not run if other users can write it, wherever its configuration is from', async () => {
  const ran = 'isocketTestRan';
  writeFileSync(`${folder}/a/own.mjs`, `globalThis.${ran} = true; export default {};`);
  chmodSync(`${folder}/a/own.mjs`, 0o666);
  const loading = async () => (await loadTransports({ destination: { transport: './own.mjs' } }, file))('./own.mjs');
  await expect(loading()).rejects.toThrow('own.mjs is code, and it can be written by other users');
  expect(Reflect.get(globalThis, ran)).toBeUndefined();
});
