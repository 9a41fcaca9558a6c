import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeReadOnly } from '../support/break-folder.ts';
import { makeKey } from '../support/keys.ts';
import { parser } from '../support/parser.ts';
import { startRrsync } from '../support/rrsync.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-check-rsync-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface Line {
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failure';
  readonly message: string;
  readonly hint?: string;
}

/** Runs `isocket check`. */
const check = async (server: TestServer, destination: Readonly<Record<string, unknown>> = {}) => {
  const site = makeSite(folder, server, { destination: { transport: 'rsync', ...destination } });
  parser(site.root).writeFiles('DC1', 1);
  const { exitCode, stdout, stderr } = await site.run(['check', '--json']);
  expect(stderr).toBe('');
  const lines = stdout.split('\n').map((line) => JSON.parse(line) as Line);
  const failures = lines.filter(({ state }) => state === 'failure');
  for (const { hint, message } of failures) expect(hint, message).toMatch(/\w/);
  return { exitCode, lines, failures };
};

const ours = (server: TestServer): string[] => readdirSync(server.folder).filter((name) => name.startsWith('.isocket'));
/** The result of a check that fails at the destination. */
const denied = (what: string, words: string, hint: string) => ({
  exitCode: 3,
  failures: [
    expect.objectContaining({
      what,
      message: expect.stringContaining(words) as unknown,
      hint: expect.stringContaining(hint) as unknown,
    }) as unknown,
  ],
});

it('finds nothing wrong with a good account, and leaves nothing behind', async () => {
  await using server = await startSshd(folder);
  const site = await check(server);
  expect([site.exitCode, site.failures]).toEqual([0, []]);
  const whats = site.lines.map(({ what }) => what);
  for (const what of ['rsync here', 'login', 'rsync there', 'write', 'clean up']) expect(whats).toContain(what);
  expect(site.lines.filter(({ state }) => state === 'warning')).toEqual([]);
  expect(ours(server)).toEqual([]);
});

it('says that a destination.path is not there, tries it all the same, and leaves it as it was', async () => {
  await using server = await startSshd(folder);
  for (const missing of ['mistyped', 'mis[t]y*ped/a/b']) {
    const path = `${server.folder}/${missing}`;
    const { exitCode, failures, lines } = await check(server, { path });
    expect([exitCode, failures]).toEqual([0, []]);
    const message = lines.find(({ what }) => what === 'rsync there')?.message;
    expect(message).toContain(`${path} does not exist`);
    expect(lines.find(({ what }) => what === 'write')?.state).toBe('ok');
    expect(readdirSync(server.folder)).toEqual([]);
  }
});

it('finds nothing wrong with a key that may do nothing but rrsync -wo', async () => {
  await using server = await startRrsync(folder);
  expect(await check(server)).toMatchObject({ exitCode: 0, failures: [] });
  expect(ours(server)).toEqual([]);
});

it('the same with rrsync, and says what an account may not remove', async () => {
  await using server = await startSshd(folder, { command: (path) => `/usr/bin/rrsync -wo ${path}` });
  expect(await check(server, { path: 'a/b' })).toMatchObject({ exitCode: 0, failures: [] });
  expect(readdirSync(server.folder)).toEqual([]);
  await using adding = await startSshd(`${folder}/adding`, {
    command: (path) => `/usr/bin/rrsync -wo -no-del ${path}`,
  });
  const { exitCode, lines } = await check(adding, { path: 'a' });
  expect(exitCode).toBe(0);
  expect(lines.filter(({ what }) => what === 'clean up')).toMatchObject([{ state: 'warning' }]);
});

it('reports that there is no rsync at the destination', async () => {
  await using server = await startSshd(folder, {
    config: [`ForceCommand PATH=/nowhere; eval "$SSH_ORIGINAL_COMMAND"`],
  });
  expect(await check(server)).toMatchObject(
    denied('rsync there', 'there is no rsync at the destination', 'install rsync there'),
  );
});

it('reports that an account with SFTP only is not rsync', async () => {
  await using server = await startSshd(folder, { command: () => 'internal-sftp' });
  expect(await check(server)).toMatchObject(denied('rsync there', 'the server takes SFTP only', 'transport: sftp'));
});

it('reports what rrsync denies this key', async () => {
  await using server = await startSshd(folder, { command: (path) => `/usr/bin/rrsync -ro ${path}` });
  expect(await check({ ...server, path: '.' })).toMatchObject(
    denied('rsync there', 'sending to read-only server is not allowed', 'see what rrsync allows this key'),
  );
});

it('reports that nothing can be written at the destination', async () => {
  await using server = await startSshd(folder);
  await using stack = new AsyncDisposableStack();
  stack.use(await makeReadOnly(server.folder));
  expect(await check(server)).toMatchObject(
    denied('write', 'Operation not permitted', 'give the account the right to write there'),
  );
});

it('reports that the path is no folder', async () => {
  await using server = await startSshd(folder);
  writeFileSync(`${server.folder}/file`, '');
  expect(await check(server, { path: `${server.path}/file` })).toMatchObject(
    denied('rsync there', 'Not a directory', 'correct destination.path'),
  );
});

it('reports that the key is refused', async () => {
  await using server = await startSshd(folder);
  await makeKey(`${folder}/stranger`);
  expect(await check(server, { identityFile: `${folder}/stranger` })).toMatchObject(
    denied('login', 'the login was refused', 'put the public key into the account’s authorized_keys'),
  );
});
