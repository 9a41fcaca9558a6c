import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import folderTransport from '../fixtures/folder-transport.mjs';
import { makeReadOnly, makeSmall } from '../support/break-folder.ts';
import { parser } from '../support/parser.ts';
import { differences, unmarked } from '../support/trees.ts';

const FIXTURE = new URL('../fixtures/folder-transport.mjs', import.meta.url);
const GUIDE = new URL('../../docs/writing-a-transport.md', import.meta.url);
const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

describe('the example of a transport', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-example-'));
  const destination = `${folder}/destination`;
  beforeAll(() => mkdirSync(destination));
  afterAll(() => rmSync(folder, { recursive: true }));

  transportSuite({
    test,
    target: () => ({
      folder: destination,
      connect: (context) => folderTransport.connect({ path: destination }, context),
      makeSmall,
      makeReadOnly,
    }),
    has: ['full', 'read-only'],
  });

  /** `isocket scan` of a site whose configuration names the transport so. */
  const scan = (transport: string) => {
    const root = `${folder}/datas`;
    mkdirSync(root, { recursive: true });
    const section = { transport, path: destination };
    const config = { source: { root, settle: '0s' }, destination: section, state: `${folder}/state` };
    writeFileSync(`${folder}/.isocketrc`, JSON.stringify(config));
    return execa(process.execPath, [CLI, 'scan'], { cwd: folder, reject: false });
  };

  test('runs in isocket scan, by its path from the configuration', async () => {
    writeFileSync(`${folder}/folder-transport.mjs`, `export { default } from ${JSON.stringify(FIXTURE.href)};\n`);
    const { makeDirectory, writeFiles, closeDirectory } = parser(`${folder}/datas`);
    mkdirSync(`${folder}/datas`);
    makeDirectory('DC1');
    writeFiles('DC1', 20);
    closeDirectory('DC1');
    const { exitCode, stderr } = await scan('./folder-transport.mjs');
    expect(exitCode, stderr).toBe(0);
    expect(differences(`${folder}/datas`, destination)).toEqual([]);
    expect(unmarked(`${folder}/datas/DC1`)).not.toContain('file-1');
    expect(JSON.parse(readFileSync(`${folder}/datas/DC1/finished.watch`, 'utf8'))).toMatchObject({ files: 20 });
  });

  test.each([
    ['./nowhere.mjs', 'there is no such file'],
    ['./empty.mjs', 'it is no transport'],
    ['./broken.mjs', 'this one is broken'],
    ['no-such-package', 'the name of an installed package'],
    ['fs', 'the name of an installed package'],
  ])('a configuration that names %s gets an error that says what is wrong', async (transport, words) => {
    writeFileSync(`${folder}/empty.mjs`, 'export default {};\n');
    writeFileSync(`${folder}/broken.mjs`, 'throw new Error("this one is broken");\n');
    const { exitCode, stderr } = await scan(transport);
    expect(stderr).toContain(words);
    expect(exitCode).toBe(2);
  });

  test('a package beside the configuration is found by its name', async () => {
    const home = `${folder}/node_modules/@me/folder`;
    mkdirSync(home, { recursive: true });
    writeFileSync(`${home}/package.json`, JSON.stringify({ name: '@me/folder', type: 'module', exports: './it.js' }));
    writeFileSync(`${home}/it.js`, `export { default } from ${JSON.stringify(FIXTURE.href)};\n`);
    const { exitCode, stderr } = await scan('@me/folder');
    expect(exitCode, stderr).toBe(0);
  });

  test('is the one that the guide shows', () => {
    const shown = /```js\n(import[^]*?)```/.exec(readFileSync(GUIDE, 'utf8'))?.[1];
    expect(shown).toBe(readFileSync(FIXTURE, 'utf8').replace('../../src/transport.ts', 'isocket/transport'));
    expect(shown?.trimEnd().split('\n').length).toBeLessThan(60);
  });
});
