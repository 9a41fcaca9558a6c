import { execa } from 'execa';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const SMALL_FILES = 20;

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-full-'));
  server = await startSshd(folder);
  mkdirSync(server.folder, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', server.folder]);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await execa('umount', ['-l', server.folder]);
  rmSync(folder, { recursive: true });
});

const isMarked = (path: string): boolean => (statSync(path).mode & 0o020) !== 0;
const leftAt = (path: string): string[] =>
  (readdirSync(path, { recursive: true }) as string[]).filter((name) => /\.part|\/\./.test(name));

it.each(['sftp', 'rsync'])('%s: a file that does not fit keeps no other file from being sent', async (transport) => {
  const textfile = `${folder}/isocket.prom`;
  const site = makeSite(folder, server, { destination: { transport }, more: { status: { textfile } } });
  for (const directory of ['DC1', 'DC2']) mkdirSync(`${site.root}/${directory}`);
  const big = `${site.root}/DC1/big`;
  writeFileSync(big, '');
  truncateSync(big, 20_000_000);
  const small = Array.from({ length: SMALL_FILES }, (_, index) => `DC${(index % 2) + 1}/small-${index}`);
  for (const name of small) writeFileSync(`${site.root}/${name}`, name);

  const scans = [await site.scan(), await site.scan()];
  expect(scans.map(({ exitCode }) => exitCode)).toEqual([3, 3]);
  expect(scans[0]?.events.find((event) => event.type === 'failed')).toMatchObject({
    path: 'DC1/big',
    message: expect.stringMatching(/no space left on device/i) as unknown,
  });
  // The last scan had nothing but that file, and the destination answered.
  const figures = readFileSync(textfile, 'utf8');
  expect(figures).toMatch(/^isocket_send_failures_total\{class="destination-full",site="site"\} 2$/m);
  expect(figures).toMatch(/^isocket_send_failures_total\{class="file",site="site"\} 0$/m);
  expect(figures).toMatch(/^isocket_destination_up\{destination=".*",site="site"\} 1$/m);
  expect(small.filter((name) => !isMarked(`${site.root}/${name}`))).toEqual([]);
  expect(isMarked(big)).toBe(false);
  expect(leftAt(server.folder)).toEqual([]);

  await execa('mount', ['-o', 'remount,size=40m', server.folder]);
  expect((await site.scan()).exitCode).toBe(0);
  expect(isMarked(big)).toBe(true);
  expect(statSync(`${server.folder}/DC1/big`).size).toBe(20_000_000);
});
