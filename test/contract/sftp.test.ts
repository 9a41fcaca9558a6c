import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TransportError } from '../../src/transport.ts';
import { type ExpectedFile, type OutgoingFile, type Transport } from '../../src/transport.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

const signal = new AbortController().signal;

describe.each([
  ['openssh', startSshd],
  ['receiver', startOwnReceiver],
] as const)('sftp to %s', (_kind, start) => {
  let folder: string;
  let server: TestServer;
  let proxy: Proxy;
  let transport: Transport;
  let source: string;

  const connect = (more: object = {}, durable = true): Transport => {
    const plugin = bundledTransport('sftp');
    if (plugin === undefined) throw new Error('no sftp');
    const { identityFile, knownHosts, path } = server;
    writeFileSync(`${folder}/known`, readFileSync(knownHosts, 'utf8').replace(`:${server.port}`, `:${proxy.port}`));
    const section = {
      transport: 'sftp',
      host: '127.0.0.1',
      port: proxy.port,
      user: 'root',
      path,
      identityFile,
      knownHosts: `${folder}/known`,
      ...more,
    };
    return plugin.connect(plugin.parseOptions(section), {
      site: 'test',
      owner: '01234567',
      stateFolder: `${folder}/state`,
      durable,
      bandwidth: null,
      log: () => undefined,
    });
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isocket-contract-'));
    server = await start(folder);
    proxy = await startProxy(server.port);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    source = mkdtempSync(`${folder}/source-`);
    transport = connect();
  });
  afterEach(async () => {
    await transport[Symbol.asyncDispose]();
    for (const name of readdirSync(server.folder)) rmSync(`${server.folder}/${name}`, { recursive: true });
  });

  const outgoing = (name: string, content: Buffer | number): OutgoingFile => {
    const sourcePath = `${source}/${name}`;
    writeFileSync(sourcePath, typeof content === 'number' ? randomBytes(content) : content, { mode: 0o640 });
    return describeFile(name);
  };
  const describeFile = (name: string): OutgoingFile => {
    const sourcePath = `${source}/${name}`;
    const identity = lstatSync(sourcePath, { bigint: true });
    return { sourcePath, targetPath: `DC1/${name}`, mode: Number(identity.mode) & 0o7757, identity };
  };
  const arrived = (name: string): string => `${server.folder}/DC1/${name}`;
  const expectArrived = (name: string): void =>
    expect(readFileSync(arrived(name)).equals(readFileSync(`${source}/${name}`)), name).toBe(true);
  const temporaries = (): string[] =>
    existsSync(`${server.folder}/DC1`)
      ? readdirSync(`${server.folder}/DC1`).filter((name) => name.endsWith('.part'))
      : [];
  const expectRejected = (sending: Promise<unknown>, errorClass: TransportError['class']): Promise<void> =>
    expect(sending).rejects.toMatchObject({ name: 'TransportError', class: errorClass });

  it.each([
    0,
    1,
    31_999,
    32_000,
    32_001,
    128 * 1024 - 1,
    128 * 1024,
    128 * 1024 + 1,
    5 * 1024 * 1024,
    9 * 1024 * 1024 + 7,
  ])('%i bytes', async (bytes) => {
    await transport.send(outgoing('file', bytes), signal);
    expectArrived('file');
    expect(temporaries()).toEqual([]);
  });

  it('keeps whole-second mtime and permission bits without the mark', async () => {
    outgoing('file', 10);
    utimesSync(`${source}/file`, 1_000_000_000, 1_000_000_000);
    await transport.send(describeFile('file'), signal);
    const { mtimeMs, mode } = lstatSync(arrived('file'));
    expect([mtimeMs, mode & 0o7777]).toEqual([1_000_000_000_000, 0o640]);
  });

  it('makes missing parents, takes the same file twice, replaces a changed one', async () => {
    const file = { ...outgoing('file', 10), targetPath: 'DC1/a/b/c/file' };
    await transport.send(file, signal);
    await transport.send(file, signal);
    const changed = { ...outgoing('file', 20), targetPath: file.targetPath };
    await transport.send(changed, signal);
    expect(readFileSync(`${server.folder}/DC1/a/b/c/file`).equals(readFileSync(`${source}/file`))).toBe(true);
  });

  it('makes a folder again that was removed meanwhile', async () => {
    await transport.send(outgoing('one', 10), signal);
    rmSync(`${server.folder}/DC1`, { recursive: true });
    await transport.send(outgoing('two', 10), signal);
    expectArrived('two');
  });

  it('confirms 199 of 200 where one is bad, each with its own fate', async () => {
    mkdirSync(arrived('file-77'), { recursive: true });
    const fates = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => transport.send(outgoing(`file-${index}`, 1000), signal)),
    );
    expect(fates.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([77]);
    for (const index of [0, 76, 78, 199]) expectArrived(`file-${index}`);
    expect(temporaries()).toEqual([]);
  });

  it('takes 2,000 sends at once', async () => {
    await Promise.all(
      Array.from({ length: 2000 }, (_, index) => transport.send(outgoing(`file-${index}`, 100), signal)),
    );
    expect(readdirSync(`${server.folder}/DC1`)).toHaveLength(2000);
  });

  it.each([
    ['removed', (path: string) => rmSync(path), 'source-changed'],
    ['grown', (path: string) => appendFileSync(path, 'x'), 'source-changed'],
    ['shrunk', (path: string) => truncateSync(path, 1), 'source-changed'],
    [
      'replaced by a link',
      (path: string) => {
        rmSync(path);
        symlinkSync('/etc/passwd', path);
      },
      'source-changed',
    ],
  ] as const)('refuses a source that was %s since it was looked at', async (_what, change, errorClass) => {
    for (const bytes of [1000, 300_000]) {
      const file = outgoing(`file-${bytes}`, bytes);
      change(file.sourcePath);
      await expectRejected(transport.send(file, signal), errorClass);
      expect(existsSync(arrived(`file-${bytes}`))).toBe(false);
      rmSync(file.sourcePath, { recursive: true, force: true });
    }
    expect(temporaries()).toEqual([]);
  });

  it('ends every send when the line is cut, and works again at the next', async () => {
    await transport.send(outgoing('first', 10), signal);
    const sends = Array.from({ length: 100 }, (_, index) => transport.send(outgoing(`file-${index}`, 50_000), signal));
    proxy.cut();
    const fates = await Promise.allSettled(sends);
    for (const fate of fates) if (fate.status === 'rejected') expect(fate.reason).toMatchObject({ class: 'network' });
    expect(fates.some(({ status }) => status === 'rejected')).toBe(true);
    await transport.send(outgoing('after', 10), signal);
    expectArrived('after');
  });

  it('resumes a big file that was cut off, and never shows a part of it', async () => {
    const bytes = 40 * 1024 * 1024;
    const file = outgoing('big', bytes);
    proxy.cutAfter(bytes / 2);
    await expectRejected(transport.send(file, signal), 'network');
    expect(existsSync(arrived('big'))).toBe(false);
    expect(temporaries()).toHaveLength(1);
    // What is left must pass below this: a start from the beginning would be cut again.
    proxy.cutAfter(bytes * 0.8);
    await transport.send(file, signal);
    proxy.cutAfter(Infinity);
    expectArrived('big');
    expect(temporaries()).toEqual([]);
  });

  it('does not trust a temporary file whose content is not ours', async () => {
    const bytes = 20 * 1024 * 1024;
    const file = outgoing('big', bytes);
    proxy.cutAfter(bytes / 2);
    await expectRejected(transport.send(file, signal), 'network');
    const [part = ''] = temporaries();
    const content = readFileSync(arrived(part));
    content.fill(0, content.length / 4, content.length / 2);
    writeFileSync(arrived(part), content);
    await transport.send(file, signal);
    expectArrived('big');
  });

  it('verifies: missing, truncated, other mtime, and with checksum a changed byte', async () => {
    const files = ['whole', 'missing', 'short', 'older', 'corrupt'].map((name) => outgoing(name, 100_000));
    await Promise.all(files.map((file) => transport.send(file, signal)));
    const { mtimeMs } = lstatSync(arrived('corrupt'));
    rmSync(arrived('missing'));
    truncateSync(arrived('short'), 5);
    utimesSync(arrived('older'), 1, 1);
    const corrupt = readFileSync(arrived('corrupt'));
    corrupt[50_000] = (corrupt[50_000] ?? 0) ^ 1;
    writeFileSync(arrived('corrupt'), corrupt);
    utimesSync(arrived('corrupt'), mtimeMs / 1000, mtimeMs / 1000);
    const expected = files.map(({ sourcePath, targetPath, identity: { size, mtimeNs } }): ExpectedFile => ({
      sourcePath,
      targetPath,
      size,
      mtimeNs,
    }));
    const found = async (checksum: boolean): Promise<string[]> =>
      (await transport.verify(expected, { checksum }, signal))
        .map(({ file, kind }) => `${file.targetPath} ${kind}`)
        .toSorted();
    expect(await found(false)).toEqual(['DC1/missing missing', 'DC1/older different', 'DC1/short different']);
    expect(await found(true)).toEqual([
      'DC1/corrupt different',
      'DC1/missing missing',
      'DC1/older different',
      'DC1/short different',
    ]);
  });

  it('tidies its own temporary files and no others', async () => {
    await transport.send(outgoing('file', 10), signal);
    for (const name of ['.isocket-01234567-left.part', '.isocket-76543210-other.part', '.hidden.part', 'mine.part'])
      writeFileSync(arrived(name), '');
    await transport.tidy(['DC1', 'not-there'], signal);
    expect(readdirSync(`${server.folder}/DC1`).toSorted()).toEqual([
      '.hidden.part',
      '.isocket-76543210-other.part',
      'file',
      'mine.part',
    ]);
  });

  it('sends nothing after an abort, and leaves nothing', async () => {
    const aborted = AbortSignal.abort(new Error('stop'));
    await expect(transport.send(outgoing('file', 10), aborted)).rejects.toThrow('stop');
    const during = new AbortController();
    const sending = transport.send(outgoing('big', 30 * 1024 * 1024), during.signal);
    during.abort(new Error('stop'));
    await expect(sending).rejects.toThrow('stop');
    expect(existsSync(arrived('file')) || existsSync(arrived('big'))).toBe(false);
  });

  it('can be disposed twice, and refuses to send after', async () => {
    await transport.send(outgoing('file', 10), signal);
    await transport[Symbol.asyncDispose]();
    await transport[Symbol.asyncDispose]();
    await expectRejected(transport.send(outgoing('file', 10), signal), 'network');
  });
});
