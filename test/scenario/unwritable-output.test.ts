import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { makeSmall } from '../support/break-folder.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { unmarked } from '../support/trees.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-output-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server, { source: { rescan: '100ms' } });
  parser(site.root).makeDirectory('DC1');
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const start = (args: readonly string[], stdio: StdioOptions) =>
  spawn(process.execPath, [CLI, '--config', site.config, ...args], { stdio });
const isMarked = (path: string): boolean => (lstatSync(`${site.root}/${path}`).mode & 0o020) !== 0;
/** A failed file for each line of log: it must be told, and cannot be. */
const shipsOn = async (name: string): Promise<void> => {
  parser(site.root).writeFile(`DC1/${name}`);
  await expect.poll(() => isMarked(`DC1/${name}`), { timeout: 55_000 }).toBe(true);
};

it.each(['stdout', 'stderr'] as const)('the daemon ships on with a full disk behind its %s', async (which) => {
  const full = openSync('/dev/full', 'w');
  const args = which === 'stdout' ? ['daemon', '--json'] : ['daemon', '--verbose'];
  const daemon = start(args, which === 'stdout' ? ['ignore', full, 'ignore'] : ['ignore', 'ignore', full]);
  closeSync(full);
  await shipsOn('first');
  await shipsOn('second');
  daemon.kill('SIGTERM');
  expect((await once(daemon, 'exit'))[0]).toBe(143);
});

it('the daemon ships on when the reader of its log is gone', async () => {
  const daemon = start(['daemon', '--verbose'], ['ignore', 'ignore', 'pipe']);
  daemon.stderr?.destroy();
  await shipsOn('first');
  await shipsOn('second');
  daemon.kill('SIGTERM');
  expect((await once(daemon, 'exit'))[0]).toBe(143);
});

it('the daemon says how much of its log was lost once it can be written again', async () => {
  const small = `${folder}/small`;
  mkdirSync(small);
  await using mounts = new AsyncDisposableStack();
  mounts.use(await makeSmall(small));
  writeFileSync(`${small}/log`, '');
  const log = openSync(`${small}/log`, 'a');
  const daemon = start(['daemon', '--verbose'], ['ignore', 'ignore', log]);
  closeSync(log);
  await shipsOn('before');
  try {
    writeFileSync(`${small}/ballast`, Buffer.alloc(1_100_000));
  } catch {
    // Full.
  }
  // One page holds many lines: more than a page is told.
  for (let count = 1; count <= 60; count += 1) parser(site.root).writeFile(`DC1/${'n'.repeat(150)}-${count}`);
  await shipsOn('meanwhile');
  await expect.poll(() => unmarked(`${site.root}/DC1`), { timeout: 20_000 }).toEqual([]);
  rmSync(`${small}/ballast`);
  await shipsOn('after');
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
  expect(readFileSync(`${small}/log`, 'utf8')).toMatch(/warning: \d+ lines of this log .* lost: no space left/);
});

it.each([
  ['status', ''],
  ['scan', ' --json'],
  ['check', ''],
])('%s%s with a full disk behind stdout: one line and an exit code', async (...args) => {
  const full = openSync('/dev/full', 'w');
  const command = start(args.join('').split(' '), ['ignore', full, 'pipe']);
  closeSync(full);
  let stderr = '';
  command.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  expect((await once(command, 'close'))[0]).toBe(2);
  expect(stderr).toBe('isocket: Cannot print the result: no space left on device\n');
});

it.each(['--watch', '--watch --json'])('status %s ends when its reader is gone', async (options) => {
  const watch = start(['status', ...options.split(' ')], ['ignore', 'pipe', 'inherit']);
  await once(watch.stdout ?? watch, 'data');
  watch.stdout?.destroy();
  expect((await once(watch, 'exit'))[0]).toBe(0);
});
