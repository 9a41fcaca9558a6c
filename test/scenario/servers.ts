import { execa } from 'execa';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { runPrune } from '../../src/cli/commands/prune.ts';
import { restore } from '../../src/cli/commands/restore.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { judge, produce } from '../support/invariant.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import { runCommand, type Ran } from '../support/run-command.ts';
import { servers, type ServerProgram } from '../support/servers/servers.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';
import { differences, unmarked } from '../support/trees.ts';

// What docs/servers.md says of each server program, as this suite finds it. SERVERS=all: also those that take long to install or to
// start, and the big files are of 40 MB.
const ALL = process.env.SERVERS === 'all';
const FILES = 633;
const BIG_BYTES = ALL ? 40_000_000 : 12_000_000;
const ODD_NAMES = [
  'a space',
  'quote"\'',
  'new\nline',
  'ünïcödé',
  '-dash',
  'back\\slash',
  'star*?',
  '日本',
  'per%20cent',
];

/** Three directories with sub-folders, an empty file, odd names and a big one. DC3 stays open. */
const fill = (site: TestSite): void => {
  const left = FILES - ODD_NAMES.length - 2;
  for (let file = 0; file < left; file += 1)
    produce(
      site.root,
      `DC${1 + (file % 3)}/${file % 4 === 0 ? `sub${file % 5}/deep/` : ''}f${file}`,
      (file * 37) % 9000,
    );
  for (const name of ODD_NAMES) produce(site.root, `DC1/odd/${name}`, 100);
  produce(site.root, 'DC2/empty', 0);
  produce(site.root, 'DC2/big', BIG_BYTES);
  for (const directory of ['DC1', 'DC2']) writeFileSync(`${site.root}/${directory}/finished.parse`, '');
};

const expectDone = ({ code, said }: Ran): void => expect(code, said.slice(-2000)).toBe(0);

const STATES = {
  good: () => 'rw,size=500m',
  full: (at: string) => {
    const { blocks, bfree, bsize } = statfsSync(at);
    return `size=${(blocks - bfree) * bsize}`;
  },
  'read-only': () => 'ro',
} as const;
type State = keyof typeof STATES;

/** The destination's folder is a file system of its own, which may be full or read-only. */
const mountDestination = async (folder: string): Promise<(state: State) => Promise<void>> => {
  const at = `${folder}/destination`;
  mkdirSync(at);
  await execa('mount', ['-t', 'tmpfs', '-o', `mode=755,${STATES.good()}`, 'tmpfs', at]);
  return async (state) => {
    await execa('mount', ['-o', `remount,${STATES[state](at)}`, at]);
  };
};

interface Matrix {
  readonly server: TestServer;
  readonly proxy: Proxy;
  readonly site: TestSite;
  readonly remount: (state: State) => Promise<void>;
}

/** Changed files take the place of the old ones; where a server cannot do that at once, `allowDeleteFirst` is asked for. */
const replaceFiles = async ({ site, server }: Matrix): Promise<string> => {
  const { config, root } = site;
  for (let file = 2; file < 32; file += 3) if (file % 4 !== 0) produce(root, `DC3/f${file}`, 9000 + file);
  const replaced = await runCommand(() => scan({ config }));
  if (replaced.code !== 0) {
    expect(replaced).toMatchObject({ code: 3, said: expect.stringContaining('allowDeleteFirst: true') as unknown });
    const changed = readFileSync(config, 'utf8').replace('"path":', '"allowDeleteFirst":true,"path":');
    writeFileSync(config, changed);
    expectDone(await runCommand(() => scan({ config })));
  }
  expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [] });
  return replaced.code === 0 ? 'at once' : 'with `allowDeleteFirst`';
};

/** Cut in the middle of another big file, and finished by the next run. */
const cutAndResume = async ({ site, server, proxy }: Matrix): Promise<string> => {
  const { config, root } = site;
  produce(root, 'DC3/cut', BIG_BYTES);
  const before = proxy.total;
  proxy.cutAfter(BIG_BYTES / 2);
  await runCommand(() => scan({ config }));
  expectDone(await runCommand(() => scan({ config })));
  const sent = proxy.total - before;
  expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [], marked: FILES + 1 });
  return sent < BIG_BYTES * 1.3 ? 'resumes' : 'starts over';
};

/** A destination that is full or read-only is told, and all goes on when it is no longer. */
const survive = async ({ site, server, remount }: Matrix, bad: State, named: RegExp): Promise<string> => {
  const { config, root } = site;
  const before = judge(root, server.folder);
  for (const [name, bytes] of [
    ['small', 2000],
    ['large', 300_000],
  ] as const)
    produce(root, `DC3/${name}-${before.marked}`, bytes);
  await remount(bad);
  const told = await runCommand(() => scan({ config }));
  await remount('good');
  expect(told.code, told.said).toBe(3);
  expect(judge(root, server.folder)).toMatchObject({ half: [], wronglyMarked: [] });
  expectDone(await runCommand(() => scan({ config })));
  expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [], marked: before.marked + 2 });
  return named.test(told.said) ? 'named' : 'as a failure';
};

/** Where the server's program dies of listing a folder, that is told, and all comes back once the name is not there any more. */
const restoreAll = async ({ site, server }: Matrix): Promise<void> => {
  const again = (): Promise<Ran> => runCommand(() => restore(['DC1', 'DC2', 'DC3'], { config: site.config }));
  const restored = await again();
  if (restored.code === 0) return;
  expect(restored).toMatchObject({ code: 3, said: expect.stringMatching(/DC1\/odd" is listed.*rename/) as unknown });
  rmSync(`${server.folder}/DC1/odd/日本`);
  expectDone(await again());
};

/** A name that is not UTF-8. It is taken away again at both ends: whoever reads names as text would not find it. */
const sendLatin = async ({ site, server }: Matrix): Promise<string> => {
  const { config, root } = site;
  const name = Buffer.from('latin-\xe9', 'latin1');
  const below = (folder: string): Buffer => Buffer.concat([Buffer.from(`${folder}/DC9/`), name]);
  produce(root, 'DC9/beside', 10);
  writeFileSync(below(root), 'content');
  const { code, said } = await runCommand(() => scan({ config }));
  const names = readdirSync(`${server.folder}/DC9`, { encoding: 'buffer' });
  const found = names.filter((one) => one.subarray(0, 6).equals(name.subarray(0, 6)));
  rmSync(below(root));
  for (const one of found) rmSync(Buffer.concat([Buffer.from(`${server.folder}/DC9/`), one]));
  if (found.some((one) => one.equals(name))) {
    expect(code, said).toBe(0);
    return 'yes';
  }
  if (code === 0) return 'under another name';
  expect(code, said).toBe(3);
  expect(said).toMatch(/latin-.*rename it/);
  return 'no: reported';
};

const rows: string[] = [];

const runMatrix = async ({ name, start }: ServerProgram): Promise<void> => {
  await using stack = new AsyncDisposableStack();
  // Not in /tmp: sshd changes its root only to a folder that nobody else can write into.
  const folder = stack.adopt(mkdtempSync('/run/isocket-servers-'), (path) => rmSync(path, { recursive: true }));
  const remount = await mountDestination(folder);
  stack.defer(async () => {
    await execa('umount', ['-l', `${folder}/destination`]);
  });
  const server = stack.use(await start(folder));
  const proxy = stack.use(await startProxy(server.port));
  const site = makeSite(folder, server, {
    destination: through(folder, server, proxy.port),
    more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
  });
  const matrix: Matrix = { server, proxy, site, remount };
  const { config } = site;
  fill(site);

  const checked = await runCommand(() => check({ config }));
  expectDone(checked);
  const sent = await runCommand(() => scan({ config }));
  expectDone(sent);
  expect(judge(site.root, server.folder)).toMatchObject({ notThere: [], half: [], marked: FILES, finished: 2 });
  const replaces = await replaceFiles(matrix);
  const resumes = await cutAndResume(matrix);
  const full = await survive(matrix, 'full', /no space left/);
  const readOnly = await survive(matrix, 'read-only', /file system there is read-only/);
  writeFileSync(`${site.root}/DC3/finished.parse`, '');
  mkdirSync(`${site.root}/DC9`);
  expectDone(await runCommand(() => scan({ config })));
  expectDone(await runCommand(() => verify([], { config })));
  expectDone(await runCommand(() => verify([], { config, checksum: true })));
  expectDone(await runCommand(() => runPrune({ config, olderThan: '0s' })));
  expect(readdirSync(site.root)).toEqual(['DC9']);
  await restoreAll(matrix);
  const isLeft = (difference: string): boolean => name.startsWith('rclone') && difference.endsWith('.part');
  const different = differences(site.root, server.folder, { contentOnly: true });
  expect(different.filter((difference) => !isLeft(difference))).toEqual([]);
  expect(unmarked(site.root)).toEqual([]);
  // Last: rclone goes on listing for minutes what was taken away behind its back.
  const latin = await sendLatin(matrix);

  const durable = /fsync +content and name/.test(checked.said)
    ? 'content and names'
    : /fsync +content is put/.test(checked.said)
      ? 'content'
      : 'no: it has no fsync';
  const atOnce = /one at a time/.test(sent.said) ? 'one file at a time' : 'yes';
  rows.push(`| ${[name, atOnce, replaces, resumes, durable, full, readOnly, latin].join(' | ')} |`);
};

/** Two files run side by side: every other server each. */
export const runServers = (part: 0 | 1): void => {
  const all = servers.filter((_, index) => index % 2 === part);
  it.each(all.filter(({ isHeavy }) => ALL || isHeavy !== true))('$name', { timeout: 180_000 }, runMatrix);

  afterAll(() => {
    console.log(rows.join('\n'));
    const document = new URL('../../docs/servers.md', import.meta.url);
    const lines = existsSync(document) ? readFileSync(document, 'utf8').split('\n') : [];
    expect(rows.filter((row) => !lines.includes(row))).toEqual([]);
  });
};
