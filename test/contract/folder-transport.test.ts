import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI } from '../support/cli.ts';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import folderTransport from '../fixtures/folder-transport.mjs';
import { makeReadOnly, makeSmall } from '../support/break-folder.ts';
import { parser } from '../support/parser.ts';
import { differences, unmarked } from '../support/trees.ts';

const FIXTURE = new URL('../fixtures/folder-transport.mjs', import.meta.url);
const GUIDE = new URL('../../docs/writing-a-transport.md', import.meta.url);

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
    has: ['full', 'read-only', 'fetch'],
  });

  const root = `${folder}/datas`;
  const configure = (
    section: Readonly<Record<string, unknown>>,
    more: Readonly<Record<string, unknown>> = {},
  ): void => {
    mkdirSync(root, { recursive: true });
    const source = { root, settle: '0s', superseded: '0s' };
    const config = { source, destination: { path: destination, ...section }, state: `${folder}/state`, ...more };
    writeFileSync(`${folder}/.isocketrc`, JSON.stringify(config));
  };
  const isocket = (...args: readonly string[]) =>
    execa(process.execPath, [CLI, ...args], { cwd: folder, reject: false });
  const scan = (transport: string) => {
    configure({ transport });
    return isocket('scan');
  };
  const { makeDirectory, writeFiles, closeDirectory } = parser(root);

  describe('as the guide prints it', () => {
    beforeAll(() => {
      writeFileSync(`${folder}/folder-transport.mjs`, printed());
      configure({ transport: './folder-transport.mjs' });
      makeDirectory('DC1');
      writeFiles('DC1', 20);
      closeDirectory('DC1');
    });

    test('passes isocket check, and nothing is left behind', async () => {
      const { exitCode, stdout, stderr } = await isocket('check');
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toMatch(/^ok +write +a file was written/m);
      expect(stdout).toContain('0 failures');
      expect(readdirSync(destination)).toEqual([]);
    });

    test('delivers with isocket scan', async () => {
      const { exitCode, stderr } = await isocket('scan');
      expect(exitCode, stderr).toBe(0);
      expect(differences(root, destination)).toEqual([]);
      expect(unmarked(`${root}/DC1`)).not.toContain('file-1');
      expect(JSON.parse(readFileSync(`${root}/DC1/finished.watch`, 'utf8'))).toMatchObject({ files: 20 });
    });

    test('finds a changed byte with isocket verify --checksum, and a missing file without', async () => {
      expect(await isocket('verify')).toMatchObject({ exitCode: 0 });
      expect(await isocket('verify', '--checksum')).toMatchObject({ exitCode: 0 });
      const [one, two] = ['file-1', 'file-2'].map((name) => `${destination}/DC1/${name}`) as [string, string];
      const { atime, mtime } = statSync(one);
      writeFileSync(one, Buffer.alloc(statSync(one).size, 'x'));
      utimesSync(one, atime, mtime);
      expect(await isocket('verify')).toMatchObject({ exitCode: 0 });
      expect(await isocket('verify', '--checksum')).toMatchObject({ exitCode: 3 });
      rmSync(two);
      expect(await isocket('verify')).toMatchObject({ exitCode: 3 });
      expect(await isocket('verify', '--checksum', '--repair')).toMatchObject({ exitCode: 0 });
      expect(differences(root, destination)).toEqual([]);
    });

    test('brings a directory back with isocket restore, and lists what is there', async () => {
      expect(await isocket('list')).toMatchObject({ exitCode: 0, stdout: 'DC1' });
      expect((await isocket('list', 'DC1')).stdout.split('\n')).toHaveLength(20);
      rmSync(`${root}/DC1`, { recursive: true });
      const { exitCode, stderr } = await isocket('restore', 'DC1', '--json');
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(differences(root, destination)).toEqual([]);
      expect(await isocket('scan')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    });

    test('runs in the daemon', async () => {
      const daemon = execa(process.execPath, [CLI, 'daemon', '--json'], { cwd: folder, reject: false });
      makeDirectory('DC2');
      writeFiles('DC2', 20);
      closeDirectory('DC2');
      for await (const line of daemon) if (/"type":"finished".*"DC2"/.test(line)) daemon.kill('SIGTERM');
      expect((await daemon).exitCode).toBe(143);
      expect(differences(root, destination)).toEqual([]);
    });
  });

  test.each([
    ['./nowhere.mjs', 'there is no such file'],
    ['./empty.mjs', 'it has no default export'],
    ['./bare.mjs', 'its default export has no name, parseOptions and connect'],
    ['./broken.mjs', 'this one is broken'],
    ['no-such-package', 'the name of an installed package'],
    ['fs', 'the name of an installed package'],
  ])('a configuration that names %s gets an error that says what is wrong', async (transport, words) => {
    writeFileSync(`${folder}/empty.mjs`, '');
    writeFileSync(`${folder}/bare.mjs`, 'export default {};\n');
    writeFileSync(`${folder}/broken.mjs`, 'throw new Error("this one is broken");\n');
    const { exitCode, stderr } = await scan(transport);
    expect(stderr).toContain(words);
    expect(exitCode).toBe(2);
  });

  /** A module in the site's folder that is the example but for some members. */
  const variant = (name: string, code: string): void =>
    writeFileSync(
      `${folder}/${name}.mjs`,
      `import example from ${JSON.stringify(FIXTURE.href)};
       const but = (members) => ({ ...example, connect: (...all) => ({ ...example.connect(...all), ...members }) });
       ${code}\n`,
    );

  test.each(['scan', 'check'])('isocket %s names what a transport lacks', async (command) => {
    variant('lacking', 'export default but({ probe: undefined, tidy: 1 });');
    configure({ transport: './lacking.mjs' });
    const { exitCode, stderr } = await isocket(command);
    expect(stderr).toContain('Cannot use transport "./lacking.mjs": what its connect returned has no tidy and probe');
    expect(stderr).not.toContain('defect of isocket');
    expect(exitCode).toBe(2);
  });

  test('a transport without fetch is told as that by isocket restore and list', async () => {
    variant('sending', 'export default but({ fetch: undefined, listTree: undefined });');
    configure({ transport: './sending.mjs' });
    for (const args of [['restore', 'DC1'], ['list']]) {
      const { exitCode, stderr } = await isocket(...args);
      expect(stderr).toContain(`Cannot read from folder:${destination}: its transport only sends`);
      expect(exitCode).toBe(2);
    }
    variant('half', 'export default but({ fetch: undefined });');
    configure({ transport: './half.mjs' });
    expect((await isocket('list')).stderr).toContain('what its connect returned has no fetch (needed with listTree)');
  });

  test('what a transport rejects with is a failed file with its words and its name, no defect of isocket', async () => {
    variant(
      'failing',
      'export default but({ send: (file) => file.targetPath.endsWith("2") ? Promise.reject(new TypeError("boom")) : null });',
    );
    makeDirectory('DC3');
    writeFiles('DC3', 3);
    configure({ transport: './failing.mjs' }, { verify: 'off' });
    const { exitCode, stderr } = await isocket('scan', '--verbose');
    expect(stderr).toContain('Cannot send "DC3/file-2": transport "./failing.mjs" failed: boom');
    expect(stderr).toContain('failing.mjs:3:'); // The stack, for its author.
    expect(stderr).not.toContain('defect of isocket');
    expect(exitCode).toBe(3);
    expect(unmarked(`${root}/DC3`)).toEqual(['file-2']);
  });

  test('what a transport says of its options is reported with all other problems, whatever it throws', async () => {
    // Another copy of isocket: another class, the same brand.
    mkdirSync(`${folder}/copy`);
    for (const file of ['errors.ts', 'transport.ts', 'identity.ts', 'name.ts'])
      copyFileSync(new URL(`../../src/${file}`, import.meta.url), `${folder}/copy/${file}`);
    writeFileSync(`${folder}/copied.mjs`, printed().replaceAll('isocket/transport', './copy/transport.ts'));
    variant('careless', 'export default { ...example, parseOptions: () => { throw new TypeError("boom"); } };');
    configure(
      {},
      {
        announce: 'perhaps',
        destination: [
          { transport: './copied.mjs', path: 7 },
          { transport: './careless.mjs', path: '/' },
        ],
      },
    );
    const { exitCode, stderr } = await isocket('scan');
    expect(stderr).toContain('announce is "perhaps"');
    expect(stderr).toContain('destination 1: Cannot use destination.path 7: expected an absolute path');
    expect(stderr).toContain('destination 2: Cannot use transport "./careless.mjs": its parseOptions failed: boom');
    expect(stderr).toContain('3 problems');
    expect(exitCode).toBe(2);
  });

  test('an error of another copy of isocket counts by its class', async () => {
    variant(
      'refused',
      `import { TransportError } from './copy/transport.ts';
       const refuse = () => Promise.reject(new TransportError('auth', 'nobody may', { hint: 'ask somebody' }));
       export default but({ send: refuse });`,
    );
    configure({ transport: './refused.mjs' }, { verify: 'off' });
    const { exitCode, stderr } = await isocket('scan');
    expect(stderr).toContain('nobody may');
    expect(stderr).toContain('ask somebody');
    expect(exitCode).toBe(3);
  });

  test('a package beside the configuration is found by its name', async () => {
    const home = `${folder}/node_modules/@me/folder`;
    mkdirSync(home, { recursive: true });
    writeFileSync(`${home}/package.json`, JSON.stringify({ name: '@me/folder', type: 'module', exports: './it.js' }));
    writeFileSync(`${home}/it.js`, printed());
    const { exitCode, stderr } = await scan('@me/folder');
    expect(exitCode, stderr).toBe(0);
  });

  test('is the one that is type-checked and proved above', () => {
    expect(printed()).toBe(readFileSync(FIXTURE, 'utf8').replaceAll('../../src/transport.ts', 'isocket/transport'));
  });
});

/** The transport in the guide. */
const printed = (): string => /```js\n(import[^]*?)```/.exec(readFileSync(GUIDE, 'utf8'))?.[1] ?? '';
