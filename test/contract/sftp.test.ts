import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OutgoingFile } from '../../src/transport.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { startProxy } from '../support/proxy.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';
import { through } from '../support/through.ts';

// The rules for every transport are in transports.test.ts; this one depends on the names of sftp's temporary files.
describe.each([
  ['openssh', startSshd],
  ['receiver', startOwnReceiver],
] as const)('sftp to %s', (_kind, start) => {
  it('removes its own temporary files and no others', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    const target = stack.use(await makeSuiteTarget(folder, server, sftp));
    const context = {
      site: 'test',
      owner: '01234567',
      stateFolder: `${folder}/state`,
      durable: false,
      bandwidth: null,
    };
    const transport = stack.use(target.connect({ ...context, log: () => undefined }));
    mkdirSync(`${server.folder}/DC1`);
    const others = ['.hidden.part', '.isocket-76543210-other.part', 'mine.part'];
    // A folder that had another name at the source when it was sent to is named by nobody.
    mkdirSync(`${server.folder}/DC1/renamed/deep`, { recursive: true });
    mkdirSync(`${server.folder}/DC2`);
    symlinkSync('../DC2', `${server.folder}/DC1/link`);
    const mine = '.isocket-01234567-left.part';
    for (const at of ['DC1', 'DC1/renamed/deep', 'DC2'])
      for (const name of [...others, mine]) writeFileSync(`${server.folder}/${at}/${name}`, '');
    await transport.tidy(['DC1', 'not-there'], new AbortController().signal);
    expect(readdirSync(`${server.folder}/DC1`).toSorted()).toEqual([...others, 'link', 'renamed'].toSorted());
    expect(readdirSync(`${server.folder}/DC1/renamed/deep`).toSorted()).toEqual(others);
    expect(readdirSync(`${server.folder}/DC2`)).toContain(mine);
  });

  it('does not continue after a checkpoint of other content whose mtime is the same', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    const target = stack.use(await makeSuiteTarget(folder, server, sftp));
    const stateFolder = `${folder}/state`;
    const context = { site: 'test', owner: '01234567', stateFolder, durable: true, bandwidth: null };
    const sourcePath = `${folder}/big`;
    const written = (): OutgoingFile => {
      writeFileSync(sourcePath, randomBytes(9 * 1024 * 1024));
      utimesSync(sourcePath, 1_700_000_000, 1_700_000_000);
      return { sourcePath, targetPath: 'DC1/big', mode: 0o640, identity: lstatSync(sourcePath, { bigint: true }) };
    };
    const { signal } = new AbortController();
    target.cutAfter?.(7 * 1024 * 1024);
    const first = target.connect({ ...context, log: () => undefined });
    await expect(first.send(written(), signal)).rejects.toMatchObject({ class: 'network' });
    await first[Symbol.asyncDispose]();
    target.cutAfter?.(Infinity);
    // As it is ten seconds later, when the server has synced what it has.
    const checkpoints = `${stateFolder}/checkpoints`;
    for (const name of readdirSync(checkpoints)) {
      const checkpoint = JSON.parse(readFileSync(`${checkpoints}/${name}`, 'utf8')) as object;
      writeFileSync(`${checkpoints}/${name}`, JSON.stringify({ ...checkpoint, bytes: 1024 * 1024 }));
    }
    expect(readdirSync(checkpoints)).toHaveLength(1);
    const second = stack.use(target.connect({ ...context, log: () => undefined }));
    await second.send(written(), signal);
    expect(readFileSync(`${server.folder}/DC1/big`).equals(readFileSync(sourcePath))).toBe(true);
    await second.tidy(['DC1'], signal);
    expect(readdirSync(checkpoints)).toEqual([]);
    expect(readdirSync(`${server.folder}/DC1`)).toEqual(['big']);
  });

  it('resumes with every part that is there, whatever is missing before it', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    const proxy = stack.use(await startProxy(server.port));
    const { identityFile, path } = server;
    const options = sftp.parseOptions({
      ...{ transport: 'sftp', host: '127.0.0.1', user: 'root', identityFile, path },
      ...through(folder, server, proxy.port),
    });
    const context = { site: 'test', owner: '01234567', stateFolder: `${folder}/state`, durable: true, bandwidth: null };
    const sourcePath = `${folder}/big`;
    const bytes = 12 * 1024 * 1024;
    writeFileSync(sourcePath, randomBytes(bytes));
    const identity = lstatSync(sourcePath, { bigint: true });
    const file: OutgoingFile = { sourcePath, targetPath: 'DC1/big', mode: 0o640, identity };
    const { signal } = new AbortController();
    proxy.cutAfter(bytes / 2);
    const first = sftp.connect(options, { ...context, log: () => undefined });
    await expect(first.send(file, signal)).rejects.toMatchObject({ class: 'network' });
    await first[Symbol.asyncDispose]();
    proxy.cutAfter(Infinity);
    // As a server leaves it that fills a file out of order: two holes, one at the start, and an end that is there.
    const [left = ''] = readdirSync(`${server.folder}/DC1`);
    const there = readFileSync(sourcePath);
    there.fill(0, 0, 1_000_000).fill(0, 7_000_000, 8_000_000);
    writeFileSync(`${server.folder}/DC1/${left}`, there);
    const before = proxy.total;
    const second = stack.use(sftp.connect(options, { ...context, log: () => undefined }));
    await second.send(file, signal);
    expect(proxy.total - before).toBeLessThan(2_500_000);
    expect(readFileSync(`${server.folder}/DC1/big`).equals(readFileSync(sourcePath))).toBe(true);
    expect(readdirSync(`${server.folder}/DC1`)).toEqual(['big']);
  });

  it('never writes one temporary file in two runs', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    const target = stack.use(await makeSuiteTarget(folder, server, sftp));
    const sourcePath = `${folder}/big`;
    writeFileSync(sourcePath, randomBytes(9 * 1024 * 1024));
    const identity = lstatSync(sourcePath, { bigint: true });
    const file: OutgoingFile = { sourcePath, targetPath: 'DC1/big', mode: 0o640, identity };
    const { signal } = new AbortController();
    // The same site on two hosts, so slow that both are under way.
    const sends = ['one', 'two'].map((host) => {
      const context = { site: 'test', owner: '01234567', stateFolder: `${folder}/${host}`, durable: false };
      const transport = stack.use(target.connect({ ...context, bandwidth: 6_000_000, log: () => undefined }));
      return transport.send(file, signal);
    });
    const temporaries = (): string[] =>
      existsSync(`${server.folder}/DC1`) ? readdirSync(`${server.folder}/DC1`).filter((name) => name !== 'big') : [];
    await expect.poll(() => temporaries().length, { interval: 5, timeout: 10_000 }).toBe(2);
    await Promise.all(sends);
    expect(temporaries()).toEqual([]);
    expect(readFileSync(`${server.folder}/DC1/big`).equals(readFileSync(sourcePath))).toBe(true);
  });
});
