import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import {
  fsPath,
  wholeSeconds,
  type ExpectedFile,
  type OutgoingFile,
  type ProbeResult,
  type Transport,
} from '../../src/transport.ts';
import {
  makeFolder,
  obscure,
  over,
  startCrypt,
  startLocal,
  startS3,
  startWebdav,
  type TestRemote,
} from '../support/rclone-remotes.ts';
import { until } from '../support/until.ts';

// What the suite cannot ask: remotes that keep little, and remotes over others, where the store has other names and other bytes.
const { signal } = new AbortController();
const MIB = 1024 * 1024;
let folder: string;
const stack: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-remotes-'));
});
afterEach(async () => {
  for (const one of stack.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const keep = <T extends AsyncDisposable>(one: T): T => {
  stack.push(one);
  return one;
};

const connect = (
  { remote, config }: TestRemote,
  more: Readonly<Record<string, unknown>> = {},
  bandwidth: number | null = null,
): Transport => {
  const options = rclone.parseOptions({ transport: 'rclone', remote, config, ...more });
  const context = {
    site: 'site',
    owner: '01234567',
    stateFolder: `${folder}/state`,
    durable: false,
    bandwidth,
    log: () => undefined,
  };
  return keep(rclone.connect(options, context));
};

const outgoing = (name: string, content: string | Buffer): OutgoingFile => {
  mkdirSync(`${folder}/source`, { recursive: true });
  const sourcePath = `${folder}/source/${name}`;
  writeFileSync(sourcePath, content);
  return { sourcePath, targetPath: `DC1/${name}`, mode: 0o640, identity: lstatSync(sourcePath, { bigint: true }) };
};

const expected = ({ sourcePath, targetPath, identity: { size, mtimeNs } }: OutgoingFile): ExpectedFile => ({
  sourcePath,
  targetPath,
  size,
  mtimeSeconds: wholeSeconds(mtimeNs),
});

const differing = async (transport: Transport, file: OutgoingFile, checksum: boolean): Promise<string[]> => {
  return (await transport.verify([expected(file)], { checksum }, signal)).map(({ kind }) => kind);
};

const probe = async (transport: Transport): Promise<string[]> => {
  const found: ProbeResult[] = [];
  for await (const result of transport.probe(signal)) found.push(result);
  return found.filter(({ state }) => state !== 'ok').map(({ what, state, message }) => `${what} ${state}: ${message}`);
};

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => error,
  );

/** Everything at a remote, as a person who reads it through rclone sees it. */
const readBack = async ({ remote, config }: TestRemote): Promise<Readonly<Record<string, Buffer>>> => {
  const back = mkdtempSync(`${folder}/back-`);
  await execa('rclone', ['--config', config, 'copy', remote, back]);
  const files = readdirSync(back, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [
      join(parentPath, name).slice(back.length + 1),
      readFileSync(join(parentPath, name)),
    ]),
  );
};

describe('WebDAV, which keeps neither times nor sums', () => {
  it('what was sent passes by its size; a claim does not, but by its content', async () => {
    const remote = keep(await startWebdav(folder));
    const file = outgoing('file', 'content');
    const sender = connect(remote);
    await sender.send(file, signal);
    expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('content');
    expect(await differing(sender, file, false)).toEqual([]);
    const other = connect(remote);
    expect(await differing(other, file, false)).toEqual(['different']);
    expect(await differing(other, file, true)).toEqual([]);
    expect(await differing(other, outgoing('file', 'CONTENT'), true)).toEqual(['different']);
  });

  // rclone's client of 1.60 replaces nothing by a move.
  it('an older file is replaced only where it may be deleted first; check says both', async () => {
    const remote = keep(await startWebdav(folder));
    const careful = connect(remote);
    await careful.send(outgoing('file', 'old'), signal);
    const changed = outgoing('file', 'new content');
    const hint: unknown = expect.stringContaining('allowDeleteFirst');
    expect(await rejection(careful.send(changed, signal))).toMatchObject({ class: 'file', hint });
    expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('old');
    const [replace, compared, ...rest] = await probe(careful);
    expect([replace, compared]).toEqual([
      expect.stringMatching(/^replace warning/),
      expect.stringMatching(/^compared warning: size alone/),
    ]);
    expect(rest).toEqual([]);
    await connect(remote, { allowDeleteFirst: true }).send(changed, signal);
    expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('new content');
  });

  // rclone's client waits 10 ms between two requests: how many a file takes is what it costs.
  it('a file takes seven requests, and all files of a folder are compared by a listing of it', async () => {
    const remote = keep(await startWebdav(folder));
    const files = Array.from({ length: 11 }, (_, index) => outgoing(`file-${index}`, `content of ${index}`));
    const [first, ...others] = files as [OutgoingFile, ...OutgoingFile[]];
    const transport = connect(remote);
    await transport.send(first, signal); // It makes the folder, too.
    remote.requests();
    await Promise.all(others.map((file) => transport.send(file, signal)));
    expect(remote.requests()).toEqual({ MKCOL: 20, PUT: 10, PROPFIND: 30, MOVE: 10 });
    rmSync(`${remote.folder}/DC1/file-2`);
    writeFileSync(`${remote.folder}/DC1/file-3`, 'short');
    const found = await transport.verify(files.map(expected), { checksum: false }, signal);
    expect(found.map(({ file, kind }) => `${file.targetPath} ${kind}`).toSorted()).toEqual([
      'DC1/file-2 missing',
      'DC1/file-3 different',
    ]);
    // Of the path, of the folder, and of what is missing once more.
    expect(remote.requests()).toEqual({ PROPFIND: 3 });
  });
});

it('many small files that were just sent to S3 are compared by their sums, which one listing tells', async () => {
  const remote = keep(await startS3(folder));
  const transport = connect(remote);
  const files = Array.from({ length: 60 }, (_, index) => outgoing(`file-${index}`, randomBytes(1000)));
  await Promise.all(files.map((file) => transport.send(file, signal)));
  const there = (name: string): string => `${remote.folder}/DC1/${name}`;
  const { atime, mtime } = lstatSync(there('file-1'));
  writeFileSync(there('file-1'), randomBytes(1000));
  utimesSync(there('file-1'), atime, mtime); // Size and time say nothing.
  rmSync(there('file-2'));
  writeFileSync(there('file-3'), 'short');
  const names = async (checksum = false): Promise<string[]> =>
    (await transport.verify(files.map(expected), { checksum }, signal))
      .map(({ file, kind }) => `${file.targetPath} ${kind}`)
      .toSorted();
  const wrong = ['DC1/file-1 different', 'DC1/file-2 missing', 'DC1/file-3 different'];
  expect(await names()).toEqual(wrong);
  expect(await names(true)).toEqual(wrong);
});

it('a file that cannot get its name is not there under it, not even in part', async () => {
  const remote = keep(await startLocal(folder));
  const program = `${folder}/rclone-whose-moves-fail`;
  const [trace, failing] = ['trace=rename,renameat,renameat2', 'inject=rename,renameat,renameat2:error=EIO'];
  writeFileSync(program, `#!/bin/sh\nexec strace -f -qq -o /dev/null -e ${trace} -e ${failing} rclone "$@"\n`, {
    mode: 0o755,
  });
  const sending = connect(remote, { program }).send(outgoing('file', randomBytes(MIB)), signal);
  expect(await rejection(sending)).toMatchObject({
    class: 'file',
    message: expect.stringContaining('final name') as string,
  });
  expect(readdirSync(`${remote.folder}/DC1`)).toEqual([]);
});

describe.each([
  ['crypt over a folder', () => startCrypt(folder)],
  [
    'crypt over S3',
    async () =>
      over(await startS3(folder), { type: 'crypt', remote: 's3test:bucket', password: await obscure('isocket') }),
  ],
  [
    'chunker over S3',
    async () => over(await startS3(folder), { type: 'chunker', remote: 's3test:bucket', chunk_size: '1Mi' }),
  ],
  [
    'a union of two folders',
    async () =>
      over(await startLocal(folder), {
        type: 'union',
        upstreams: `${makeFolder(`${folder}/one`)} ${makeFolder(`${folder}/two`)}`,
      }),
  ],
] as const)('%s', (_kind, start) => {
  it('sends, replaces and compares; what was called off is not there', async () => {
    const remote = keep(await start());
    const transport = connect(remote, {}, 4 * MIB);
    expect(await probe(transport)).toEqual([]);
    for (const name of ['small', 'big']) await transport.send(outgoing(name, randomBytes(1000)), signal);
    const files = [
      outgoing('small', randomBytes(1000)),
      outgoing('big', randomBytes(3 * MIB + 1)),
      outgoing('資料', 'x'),
    ];
    for (const file of files) await transport.send(file, signal);
    const off = new AbortController();
    const calledOff = transport.send(outgoing('called-off', randomBytes(20 * MIB)), off.signal);
    await until(() => (transport.underWay?.().get('DC1/called-off') ?? 0) > 0);
    off.abort(new Error('called off'));
    expect(await rejection(calledOff)).toBe(off.signal.reason);
    const there = await readBack(remote);
    expect(Object.keys(there).toSorted()).toEqual(files.map(({ targetPath }) => targetPath).toSorted());
    for (const { sourcePath, targetPath } of files)
      expect(there[targetPath]?.equals(readFileSync(fsPath(sourcePath))), targetPath).toBe(true);
    for (const file of files) expect(await differing(transport, file, true)).toEqual([]);
    expect(await differing(transport, outgoing('small', randomBytes(1000)), true)).toEqual(['different']);
  });
});

it('chunker over a folder, which renames chunk by chunk, is refused, and check says so', async () => {
  const remote = over(keep(await startLocal(folder)), {
    type: 'chunker',
    remote: `${folder}/destination`,
    chunk_size: '1Mi',
  });
  const transport = connect(remote);
  expect(await rejection(transport.send(outgoing('file', 'content'), signal))).toMatchObject({
    class: 'auth',
    message: expect.stringContaining('chunk after') as string,
  });
  expect(await probe(transport)).toEqual([expect.stringMatching(/^remote failure: nothing is sent/)]);
  expect(readdirSync(remote.folder)).toEqual([]);
});
