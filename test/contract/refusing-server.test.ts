import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { Status } from '../../src/sftp/protocol.ts';
import type { ProbeResult } from '../../src/transport.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { contentOf, judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { idOf, namesOf, refuse, startLyingServer, statusOf } from '../support/servers/lying-server.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';

// sftp-server with one kind of request refused: what `check` says of it, and that it says so where `scan` cannot work, and there only.

/** More than are asked for one by one. */
const FILES = 40;

let folder: string;
let server: TestServer;
let count = 0;
const refused = new Map<string, number>();
/** What is answered to a request with a name that a file system does not take. */
let badNames: { readonly status: number; readonly words: string } | undefined;
const ODD = /[:?]|\.$/;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-refusing-'));
  server = await startLyingServer(folder, (wire) => {
    const refusing = refuse(refused)(wire);
    return {
      request: (packet) => {
        if (badNames !== undefined && namesOf(packet).some((name) => ODD.test(name)))
          wire.toClient(statusOf(idOf(packet), badNames.status, badNames.words));
        else refusing.request?.(packet);
      },
    };
  });
});
beforeEach(() => {
  refused.clear();
  badNames = undefined;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The lines of `check` that concern the destination. */
const probe = async (path: string): Promise<readonly ProbeResult[]> => {
  const { port, identityFile, knownHosts } = server;
  const options = sftp.parseOptions({ transport: 'sftp', host: '127.0.0.1', port, user: 'root', identityFile, knownHosts, path }); // prettier-ignore
  const context = { site: 'test', owner: '01234567', stateFolder: `${folder}/state`, durable: true, bandwidth: null };
  await using transport = sftp.connect(options, { ...context, log: () => undefined });
  const lines: ProbeResult[] = [];
  for await (const line of transport.probe(new AbortController().signal)) lines.push(line);
  return lines;
};

const WRITING = /give the account the right to write/;

interface Row {
  readonly state: 'ok' | 'warning' | 'failure';
  /** In the line of `check` that names the request. */
  readonly hint?: RegExp;
  /** False: `scan` sends nothing. */
  readonly works: boolean;
  readonly checksum?: false;
}

const rows: Readonly<Record<string, Row>> = {
  REALPATH: { state: 'ok', works: true },
  STAT: { state: 'ok', works: true },
  MKDIR: { state: 'failure', hint: /make folders/, works: false },
  'OPEN to write': { state: 'failure', hint: /write/, works: false },
  WRITE: { state: 'failure', hint: /write/, works: false },
  CLOSE: { state: 'failure', works: false },
  FSTAT: { state: 'ok', works: true },
  FSETSTAT: { state: 'ok', works: true },
  SETSTAT: { state: 'ok', works: true },
  fsync: { state: 'warning', hint: /durable: false/, works: true },
  'posix-rename': { state: 'warning', hint: /allowDeleteFirst/, works: true },
  RENAME: { state: 'ok', works: true },
  LSTAT: { state: 'failure', hint: /look at|list/, works: false },
  OPENDIR: { state: 'warning', hint: /one by one/, works: true },
  READDIR: { state: 'warning', hint: /one by one/, works: true },
  'OPEN to read': { state: 'warning', hint: /read/, works: true, checksum: false },
  READ: { state: 'warning', hint: /read/, works: true, checksum: false },
  REMOVE: { state: 'warning', works: true },
  RMDIR: { state: 'warning', works: true },
  statvfs: { state: 'warning', works: true },
  limits: { state: 'ok', works: true },
};

const READING = new Set(['STAT', 'FSTAT', 'LSTAT', 'OPENDIR', 'READDIR', 'OPEN to read', 'READ', 'REALPATH']);

const rowOf = (request: string): Row => {
  const row = rows[request];
  if (row === undefined) throw new Error(request);
  return row;
};

/** The folder that is configured is there only where it cannot be made. */
const newPath = (request: string): string => {
  const name = `case${(count += 1)}`;
  if (request === 'MKDIR') mkdirSync(`${server.folder}/${name}`);
  return `${server.path}/${name}`;
};

const checkRow = async (request: string, status: number): Promise<void> => {
  const row = rowOf(request);
  const path = newPath(request);
  refused.set(request, status);
  const lines = await probe(path);
  const named = lines.filter(({ message }) => new RegExp(`refuses .*\\b${request}\\b`).test(message));
  if (row.state === 'ok') expect(lines.filter(({ state }) => state !== 'ok')).toEqual([]);
  else expect(named, JSON.stringify(lines)).toMatchObject([{ state: row.state }]);
  if (row.hint !== undefined) expect(named[0]?.hint).toMatch(row.hint);
  if (READING.has(request)) expect(JSON.stringify(lines)).not.toMatch(WRITING);
  expect(lines.some(({ state }) => state === 'failure')).toBe(!row.works);
};

const scanRow = async (request: string): Promise<void> => {
  const row = rowOf(request);
  const path = newPath(request);
  refused.set(request, Status.PERMISSION_DENIED);
  const site = makeSite(folder, server, {
    name: `site${count}`,
    destination: { path },
    more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
  });
  const { config, root } = site;
  for (let file = 0; file < FILES; file += 1) produce(root, `DC1/${file < 2 ? 'sub/' : ''}f${file}`, 100 + file);
  writeFileSync(`${root}/DC1/finished.parse`, '');
  const sent = await runCommand(() => scan({ config }));
  expect(sent.code, sent.said).toBe(row.works ? 0 : 3);
  const verdict = judge(root, path);
  if (!row.works) {
    expect(verdict).toMatchObject({ wronglyMarked: [], half: [], marked: 0 });
    expect(sent.said).toContain(request);
    if (READING.has(request)) expect(sent.said).not.toMatch(WRITING);
    return;
  }
  expect(verdict).toMatchObject({ notThere: [], half: [], marked: FILES, finished: 1 });
  const verified = await runCommand(() => verify([], { config, checksum: true }));
  expect(verified.code, verified.said).toBe(row.checksum === false ? 3 : 0);
  if (row.checksum !== false) return;
  expect(verified.said).toContain(request);
  expect(verified.said).not.toMatch(WRITING);
};

describe.each([
  ['permission denied', Status.PERMISSION_DENIED],
  ['unsupported', Status.OP_UNSUPPORTED],
] as const)('check of a server that answers "%s" to one kind of request', (_words, status) => {
  it.each(Object.keys(rows))('%s', (request) => checkRow(request, status));
});

describe('scan and verify of a server that refuses one kind of request', () => {
  it.each(Object.keys(rows))('%s', scanRow);
});

it('names both ways to set a time where both are refused', async () => {
  refused.set('FSETSTAT', Status.PERMISSION_DENIED).set('SETSTAT', Status.PERMISSION_DENIED);
  expect(await probe(server.path)).toContainEqual(
    expect.objectContaining({
      what: 'mtime',
      state: 'failure',
      message: expect.stringContaining('refuses FSETSTAT and SETSTAT') as string,
    }),
  );
  expect(readdirSync(server.folder).filter((name) => name.startsWith('.isocket'))).toEqual([]);
});

// As exFAT, or Windows, which takes neither ":" nor "?" nor a dot at the end. A temporary name has none of them.
it.each([
  ['bad message', Status.BAD_MESSAGE, ''],
  ['failure', Status.FAILURE, ''],
  ['failure: invalid argument', Status.FAILURE, 'Invalid argument'],
  ['no such file', Status.NO_SUCH_FILE, ''],
  ['a status of version 6', Status.INVALID_FILENAME, ''],
] as const)(
  'a name that the server does not take ("%s") is the trouble of that file alone',
  async (_words, status, words) => {
    badNames = { status, words };
    const { config, root } = makeSite(folder, server, {
      name: `names${(count += 1)}`,
      destination: { path: `${server.path}/names${count}` },
    });
    for (let file = 0; file < FILES; file += 1) produce(root, `DC1/f${file}`, 100 + file);
    produce(root, 'DC1/ends.', 10);
    produce(root, 'DC1/a:b', 10);
    produce(root, 'DC1/sub?/f', 10);
    produce(root, 'DC2/big:file', 200_000);
    produce(root, 'DC2/good', 10);
    for (const directory of ['DC1', 'DC2']) writeFileSync(`${root}/${directory}/finished.parse`, '');
    const sent = await runCommand(() => scan({ config, verbose: true })); // Each by its name, though they fail alike.
    expect(sent.code, sent.said).toBe(3);
    const { notThere, half, wronglyMarked, marked } = judge(root, `${server.folder}/names${count}`);
    expect([notThere.toSorted(), half, wronglyMarked, marked]).toEqual([
      ['DC1/a:b', 'DC1/ends.', 'DC1/sub?/f', 'DC2/big:file'],
      [],
      [],
      FILES + 1,
    ]);
    for (const name of ['DC1/a:b', 'DC1/ends.', 'sub?', 'DC2/big:file'])
      expect(sent.said).toMatch(new RegExp(`${name.replace(/[.?]/g, '[.?]')}(?:/f)?".*rename it`));
  },
);

it('a server that cannot replace: what an earlier run delivered and did not mark is compared by content, and marked', async () => {
  refused.set('posix-rename', Status.OP_UNSUPPORTED);
  const path = newPath('');
  const { config, root } = makeSite(folder, server, { name: `site${count}`, destination: { path } });
  const names = ['small', 'big', 'empty', 'changed', 'changed-big'];
  for (const name of names) produce(root, `DC1/${name}`, name === 'empty' ? 0 : name.endsWith('big') ? 300_000 : 100);
  const first = await runCommand(() => scan({ config }));
  expect(first.code, first.said).toBe(0);
  // As it is when isocket is killed between the rename and the mark.
  for (const name of names) chmodSync(`${root}/DC1/${name}`, 0o644);
  for (const name of ['changed', 'changed-big']) {
    const { size, atime, mtime } = statSync(`${root}/DC1/${name}`);
    writeFileSync(`${root}/DC1/${name}`, contentOf(`other ${name}`, size));
    utimesSync(`${root}/DC1/${name}`, atime, mtime);
  }
  const again = await runCommand(() => scan({ config }));
  expect(again.code, again.said).toBe(3);
  const isMarked = (name: string): boolean => (statSync(`${root}/DC1/${name}`).mode & 0o020) !== 0;
  expect(names.filter(isMarked), again.said).toEqual(['small', 'big', 'empty']);
  for (const name of ['changed', 'changed-big'])
    expect(again.said).toMatch(new RegExp(`Cannot replace "[^"]*/${name}".*allowDeleteFirst`));
  const there = readdirSync(`${path}/DC1`).filter((name) => !name.startsWith('.'));
  expect(there.toSorted()).toEqual(names.toSorted());
});
