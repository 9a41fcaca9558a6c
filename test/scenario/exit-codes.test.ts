import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';

// What README.md says of exit codes, tried. test/unit/exit-code-claims.test.ts names what tries each claim of the documents.

let folder: string;
let server: TestServer;
let site: TestSite;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-exit-codes-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
  const { writeFiles, closeDirectory } = parser(site.root);
  for (const name of ['DC1', 'DC2', 'DC3']) {
    writeFiles(name, 2);
    closeDirectory(name);
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const codeOf = async (...args: string[]): Promise<number | undefined> => (await site.run(args)).exitCode;

describe('in this order', () => {
  it('0: done, whatever was skipped', async () => {
    symlinkSync('file-1', `${site.root}/DC1/link`);
    expect(await codeOf('scan')).toBe(0);
    expect(await codeOf('status')).toBe(0);
  });

  it('0: a directory is late', async () => {
    writeFileSync(`${site.root}/DC2/late`, 'came later');
    expect([await codeOf('scan'), await codeOf('status')]).toEqual([0, 0]);
  });

  it('0: a file of an open directory is still being written; 3: of a closed one', async () => {
    parser(site.root).writeFiles('DC3-open', 1);
    const written = openSync(`${site.root}/DC3-open/written`, 'w');
    expect(await codeOf('scan')).toBe(0);
    parser(site.root).closeDirectory('DC3-open');
    expect(await codeOf('scan')).toBe(3);
    closeSync(written);
    expect(await codeOf('scan')).toBe(0);
  });

  it('0: a directory is finished without a destination of today', async () => {
    const config = readFileSync(site.config, 'utf8');
    const { destination, ...rest } = JSON.parse(config) as { readonly destination: object };
    writeFileSync(site.config, JSON.stringify({ ...rest, destination: [destination, { ...destination, path: '/second' }] })); // prettier-ignore
    const { exitCode, stdout } = await site.run(['status']);
    writeFileSync(site.config, config);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('FINISHED WITHOUT')]);
  });

  it('0: of status, a reserved name in an open directory, and files that wait there; 3: of a closed one', async () => {
    parser(site.root).writeFiles('DC3-reserved', 1);
    mkdirSync(`${site.root}/DC3-reserved/finished.watch`);
    expect(await codeOf('status')).toBe(0);
    parser(site.root).closeDirectory('DC3-reserved');
    expect(await codeOf('status')).toBe(3);
    rmSync(`${site.root}/DC3-reserved`, { recursive: true });
  });

  it('1: a defect of isocket, with its stack', async () => {
    const defect = 'Date.prototype.toISOString = () => { throw new TypeError("a defect"); }';
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(defect)}` };
    await using scan = site.start(['scan'], { env });
    expect(await scan.ended).toBe(1);
    expect(scan.stderr()).toMatch(/this is a defect of isocket, please report it:\nTypeError: a defect\n +at /);
    expect(scan.events.at(-1)).toMatchObject({ type: 'error', exitCode: 1 });
  });

  it('2: usage, and the configuration', async () => {
    expect([await codeOf('nosuch'), await codeOf('--config', `${folder}/none`, 'scan')]).toEqual([2, 2]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('130, 143: stopped by %s', async (signal) => {
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    expect(await codeOf('scan')).toBe(4); // Another isocket works on this root.
    expect(await daemon.stop(signal)).toBe(signal === 'SIGINT' ? 130 : 143);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('130, 143: a receiver is stopped by %s', async (signal) => {
    const { identityFile: keys } = server;
    const args = [
      '--root',
      server.folder,
      '--listen',
      '127.0.0.1:0',
      '--authorized-keys',
      `${keys}.pub`,
      '--allow-root',
    ];
    await using receiver = site.start(['receive', ...args, '--host-key', `${folder}/host_key`]);
    await receiver.event(() => true);
    expect(await receiver.stop(signal)).toBe(signal === 'SIGINT' ? 130 : 143);
  });

  it('3: something is not as it should be', async () => {
    expect(await codeOf('prune', '--older-than', '0s')).toBe(3); // The link in DC1 was never sent.
    rmSync(`${server.folder}/DC1/file-1`);
    expect(await codeOf('verify', 'DC1')).toBe(3);
    chmodSync(`${site.root}/DC2/file-1`, 0o644);
    writeFileSync(`${site.root}/DC2/file-1`, 'another');
    expect(await codeOf('restore', 'DC2')).toBe(3);
  });

  it('3: files are left unsent', async () => {
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
    const destination = { ...config.destination, port: await freePort() };
    writeFileSync(site.config, JSON.stringify({ ...config, destination }));
    parser(site.root).writeFiles('DC4', 1);
    expect([await codeOf('scan'), await codeOf('status')]).toEqual([3, 3]);
    expect([await codeOf('scan', '--json'), await codeOf('status', '--json')]).toEqual([3, 3]);
  });
});
