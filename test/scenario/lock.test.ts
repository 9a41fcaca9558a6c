import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { differences } from '../support/trees.ts';

// As in a container: an abstract socket is not seen from there, and there is no network.
const ELSEWHERE = { through: ['unshare', '--net'] } as const;

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-lock-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
  parser(site.root).writeFile('DC1/file');
  parser(site.root).closeDirectory('DC1');
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

it('a scan beside the daemon in another network namespace does nothing: exit 4', async () => {
  await using daemon = site.start(['daemon'], ELSEWHERE);
  await daemon.event(({ type }) => type === 'watching');
  const { exitCode, stderr } = await site.run(['scan']);
  expect(exitCode).toBe(4);
  expect(stderr).toContain('another isocket already works on');
  const { stdout } = await site.run(['status', '--json']);
  expect((JSON.parse(stdout) as SiteStatus).daemon).toMatchObject({ running: true, pid: daemon.pid });
  await daemon.stop('SIGKILL');
  expect((await site.run(['scan'])).exitCode).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
});

it('two sites on one root, each with directories of its own, work side by side', async () => {
  const other = makeSite(folder, server, { name: 'other', source: { root: site.root, tag: 'ED' } });
  parser(site.root).writeFile('ED1/file');
  parser(site.root).closeDirectory('ED1');
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'finished');
  const { exitCode, stderr } = await other.run(['scan']);
  expect(exitCode, stderr).toBe(0);
  for (const name of ['DC1', 'ED1'])
    expect(differences(`${site.root}/${name}`, `${server.folder}/${name}`)).toEqual([]);
});
