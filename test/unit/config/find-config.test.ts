import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/errors.ts';
import { findConfig, type FindOptions } from '../../../src/config/find-config.ts';

let folder: string;
let places: { readonly cwd: string; readonly home: string; readonly etc: string };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-find-'));
  places = { cwd: join(folder, 'a/b'), home: join(folder, 'home'), etc: join(folder, 'etc') };
  mkdirSync(places.cwd, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string | Uint8Array = 'site: X\n'): string => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
const find = (options: Partial<FindOptions> = {}) => findConfig({ ...places, ...options });

/** The error message that the user sees. */
const refusal = async (options: Partial<FindOptions> = {}): Promise<string> => {
  const error: unknown = await find(options).catch((reason: unknown) => reason);
  if (!(error instanceof UserError)) throw new Error(`no UserError: ${String(error)}`);
  expect(error.exitCode).toBe(2);
  expect(error.hint).toBeTruthy();
  return error.message;
};

describe('where', () => {
  it('the flag, the environment, upward, ~/.config, /etc: the first one counts', async () => {
    const order = [
      'flag.yaml',
      'env',
      'a/b/.isocketrc',
      'a/.isocketrc.yaml',
      '.isocketrc.json',
      'home/.config/isocket/.isocketrc.yml',
      'etc/.isocketrc',
    ];
    const paths = order.map((name) => write(name, '{"site":"X"}'));
    for (const [index, path] of paths.entries()) {
      const options = { ...(index < 1 ? { flag: path } : {}), ...(index < 2 ? { env: paths[1] ?? '' } : {}) };
      expect(await find(options)).toEqual({ path, input: { site: 'X' } });
      rmSync(path);
    }
  });

  it('the names of one folder, in their order', async () => {
    const paths = ['', '.yaml', '.yml', '.json'].map((end) => write(`a/b/.isocketrc${end}`, '{"site":"X"}'));
    for (const path of paths) {
      expect((await find()).path).toBe(path);
      rmSync(path);
    }
  });

  it('a relative name is below the working directory; any name will do', async () => {
    expect(await find({ flag: '../ed1.conf' }).catch(() => 'none')).toBe('none');
    const path = write('a/ed1.conf');
    expect(await find({ flag: '../ed1.conf' })).toEqual({ path, input: { site: 'X' } });
  });

  it('an empty ISOCKET_CONFIG counts as not set, an empty --config does not', async () => {
    const path = write('a/.isocketrc');
    expect((await find({ env: '' })).path).toBe(path);
    expect(await refusal({ flag: '' })).toContain('no file is named');
  });

  it('none: names the folders that were searched', async () => {
    const message = await refusal();
    for (const place of [places.cwd, `${places.home}/.config/isocket`, places.etc]) expect(message).toContain(place);
  });

  it('a link that leads nowhere is not passed over', async () => {
    write('a/.isocketrc');
    symlinkSync('/nowhere', join(places.cwd, '.isocketrc'));
    expect(await refusal()).toContain(`${places.cwd}/.isocketrc": it is not there`);
  });
});

describe('what', () => {
  it.each<[string, string, string | Uint8Array, readonly string[]]>([
    ['broken YAML', 'rc.yaml', 'a: 1\nb: [\n', ['line 3, column 1']],
    ['broken JSON', 'rc.json', '{"a":1,\n "b" 2}', ['line 2 column 6']],
    ['a key twice', 'rc', 'a: 1\na: 2\n', ['line 2, column 1', 'duplicated mapping key']],
    ['a key twice in JSON', 'rc.json', '{\n\t"a": 1,\n\t"a": 2\n}', ['line 3', 'duplicated mapping key']],
    ['two documents', 'rc', 'a: 1\n---\nb: 2\n', ['single document']],
    ['a tag', 'rc', 'a: !!js/function "x"\n', ['unknown scalar tag']],
    ['Latin-1', 'rc', Buffer.from('a: caf\xe9\n', 'latin1'), ['not UTF-8']],
  ])('refuses %s, with file and line', async (_title, name, text, words) => {
    const path = write(name, text);
    const message = await refusal({ flag: path });
    for (const word of [path, ...words]) expect(message).toContain(word);
    expect(message).not.toContain('\n');
  });

  it.each([['/nowhere/rc'], ['file/rc']])('refuses %s, that is not there', async (name) => {
    write('a/b/file');
    expect(await refusal({ flag: name })).toContain('it is not there');
  });

  it('refuses a folder', async () => {
    expect(await refusal({ flag: folder })).toContain('it is a directory');
  });

  it.each([
    ['nothing', ''],
    ['comments', '# one\n\n  # two\n'],
    ['null', 'null\n'],
    ['a beginning', '---\n'],
  ])('%s is undefined', async (_title, text) => {
    expect((await find({ flag: write('rc', text) })).input).toBeUndefined();
  });

  it.each([
    ['YAML', 'rc', '\ufeffsite: X\r\n'],
    ['JSON', 'rc.json', '\ufeff{\n\t"site": "X"\n}\n'],
    ['JSON without a name that says so', 'rc', '{\n\t"site": "X"\n}\n'],
  ])('%s with a byte order mark, tabs and line ends of all kinds', async (_title, name, text) => {
    expect((await find({ flag: write(name, text) })).input).toEqual({ site: 'X' });
  });
});

describe('never code', () => {
  const proof = (): string => join(folder, 'executed');
  const common = (): string =>
    `require('node:fs').writeFileSync(${JSON.stringify(proof())}, ''); module.exports = { site: 'X' };`;
  const modern = (): string =>
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(proof())}, ''); export default { site: 'X' };`;

  it.each(['.js', '.cjs', '.mjs', '.ts', '.cts', '.mts'])('%s that is named', async (end) => {
    const path = write(`rc${end}`, end.startsWith('.c') ? common() : modern());
    expect(await refusal({ flag: path })).toContain('it is a program');
    expect(existsSync(proof())).toBe(false);
  });

  it.each(['.isocketrc.js', '.isocketrc.mjs', '.isocketrc.ts', 'isocket.config.js', 'package.json'])(
    '%s in the working directory',
    async (name) => {
      write(`a/b/${name}`, name === 'package.json' ? '{"isocket":{"site":"X"}}' : common());
      await refusal();
      expect(existsSync(proof())).toBe(false);
    },
  );

  it('$import is a key like any other', async () => {
    const code = write('code.mjs', modern());
    const path = write('rc', `$import: ${code}\nsite: Y\n`);
    expect((await find({ flag: path })).input).toEqual({ $import: code, site: 'Y' });
    expect(existsSync(proof())).toBe(false);
  });

  it.each(['config.js', 'config.cjs', 'config.mjs', 'config.ts'])(
    '.config/%s, the configuration of cosmiconfig itself',
    async (name) => {
      write(`a/b/.config/${name}`, name.endsWith('.mjs') ? modern() : common());
      const path = write('a/b/.isocketrc');
      // It is the process's own working directory that counts there.
      const source = new URL('../../../src/config/find-config.ts', import.meta.url).href;
      const script = `import { findConfig } from ${JSON.stringify(source)}; console.log((await findConfig({ cwd: '.', home: '.' })).path);`;
      const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', script], { cwd: places.cwd });
      expect(stdout).toBe(path);
      expect(existsSync(proof())).toBe(false);
    },
  );
});
