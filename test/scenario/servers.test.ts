import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it, vi } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { runPrune } from '../../src/cli/commands/prune.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { judge, produce } from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import { servers } from '../support/servers/servers.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';

// What docs/servers.md says of each server program, as this suite finds it. SERVERS=all: also those that take long to install or to
// start, and the table is compared with the one in the document.
const ALL = process.env.SERVERS === 'all';
const FILES = 633;
const BIG_BYTES = 40_000_000;
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

/** Three directories with sub-folders, an empty file, odd names and one of 40 MB. DC3 stays open. */
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

/** Runs a command and returns its exit code and what it has written. */
const run = async (command: () => Promise<number>): Promise<{ readonly code: number; readonly said: string }> => {
  let said = '';
  const write = (chunk: unknown): boolean => {
    said += String(chunk);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(write));
  try {
    return { code: await command(), said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
};

const expectDone = ({ code, said }: { readonly code: number; readonly said: string }): void =>
  expect(code, said.slice(-2000)).toBe(0);

const rows: string[] = [];

it.each(servers.filter(({ isHeavy }) => ALL || isHeavy !== true))(
  '$name',
  { timeout: 180_000 },
  async ({ name, start }) => {
    await using stack = new AsyncDisposableStack();
    // Not in /tmp: sshd changes its root only to a folder that nobody else can write into.
    const folder = stack.adopt(mkdtempSync('/run/isocket-servers-'), (path) => rmSync(path, { recursive: true }));
    const server = stack.use(await start(folder));
    const proxy = stack.use(await startProxy(server.port));
    const site = makeSite(folder, server, {
      destination: through(folder, server, proxy.port),
      more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
    });
    const { config } = site;
    fill(site);

    const checked = await run(() => check({ config }));
    expectDone(checked);
    const sent = await run(() => scan({ config }));
    expectDone(sent);
    expect(judge(site.root, server.folder)).toMatchObject({ notThere: [], half: [], marked: FILES, finished: 2 });

    for (let file = 2; file < 32; file += 3) if (file % 4 !== 0) produce(site.root, `DC3/f${file}`, 9000 + file);
    const replaced = await run(() => scan({ config }));
    if (replaced.code !== 0) {
      expect(replaced).toMatchObject({ code: 3, said: expect.stringContaining('allowDeleteFirst: true') as unknown });
      const changed = readFileSync(config, 'utf8').replace('"path":', '"allowDeleteFirst":true,"path":');
      writeFileSync(config, changed);
      expectDone(await run(() => scan({ config })));
    }
    expect(judge(site.root, server.folder)).toMatchObject({ notThere: [], half: [] });

    produce(site.root, 'DC3/cut', BIG_BYTES);
    const before = proxy.total;
    proxy.cutAfter(BIG_BYTES / 2);
    await run(() => scan({ config }));
    writeFileSync(`${site.root}/DC3/finished.parse`, '');
    mkdirSync(`${site.root}/DC9`);
    expectDone(await run(() => scan({ config })));
    const resumed = proxy.total - before < BIG_BYTES * 1.3;
    expect(judge(site.root, server.folder)).toMatchObject({ notThere: [], half: [], marked: FILES + 1, finished: 3 });

    expectDone(await run(() => verify([], { config })));
    expectDone(await run(() => verify([], { config, checksum: true })));
    expectDone(await run(() => runPrune({ config, olderThan: '0s' })));
    expect(readdirSync(site.root)).toEqual(['DC9']);

    const durable = /fsync +content and name/.test(checked.said)
      ? 'content and names'
      : /fsync +content is put/.test(checked.said)
        ? 'content'
        : 'no: it has no fsync';
    const atOnce = /one at a time/.test(sent.said) ? 'one file at a time' : 'yes';
    const cells = [
      name,
      atOnce,
      replaced.code === 0 ? 'at once' : 'with `allowDeleteFirst`',
      resumed ? 'resumes' : 'starts over',
      durable,
    ];
    rows.push(`| ${cells.join(' | ')} |`);
  },
);

afterAll(() => {
  console.log(rows.join('\n'));
  const document = new URL('../../docs/servers.md', import.meta.url);
  const lines = existsSync(document) ? readFileSync(document, 'utf8').split('\n') : [];
  expect(rows.filter((row) => !lines.includes(row))).toEqual([]);
});
