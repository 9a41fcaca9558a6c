import { execa } from 'execa';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-next-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
  for (const name of ['DC1', 'DC2', 'DC3']) {
    parser(site.root).writeFiles(name, 2);
    parser(site.root).closeDirectory(name);
  }
  expect((await site.scan()).exitCode).toBe(0);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** As an operator types it: from elsewhere, the configuration named. */
const type = async (...args: readonly string[]) => {
  const command = [process.execPath, CLI, '--config', site.config, ...args];
  const { exitCode, all } = await execa(command[0] ?? '', command.slice(1), { reject: false, cwd: '/', all: true });
  return { exitCode, all };
};
const own = (rest: string): string => `isocket --config ${site.config} ${rest}`;

it('prune says of each directory that it keeps what to type, and after a dry run how to delete', async () => {
  const dry = await type('prune', '--older-than', '0s', '--dry-run');
  expect(dry.all).toContain(`to delete: ${own('prune --older-than 0s')}\n`.trimEnd());
  expect((await type('prune', '--older-than', '1d', '--dry-run')).all).toMatch(
    /a doubt, \d finished less than 1d ago, and DC/,
  );
  expect(dry.all).toMatch(/kept 0 because of a doubt, and DC\d+ as the newest/);
  chmodSync(`${site.root}/DC1/file-1`, 0o644);
  rmSync(`${server.folder}/DC2/file-1`);
  const { exitCode, all } = await type('prune', '--older-than', '0s');
  expect(exitCode).toBe(3);
  expect(all).toContain(`to send it again: ${own('reset DC1')} && ${own('scan DC1')}\n`);
  expect(all).toContain(`to send them again: ${own('verify --repair DC2')}\n`);
  // What it says works.
  for (const args of [
    ['reset', 'DC1'],
    ['scan', 'DC1'],
    ['verify', '--repair', 'DC2'],
  ])
    // prettier-ignore
    expect(await type(...args)).toMatchObject({ exitCode: 0 });
  expect(await type('prune', '--older-than', '0s')).toMatchObject({ exitCode: 0 });
});

it('reset says what sends the directory again', async () => {
  expect((await type('reset', 'DC1')).all).toContain(`now: ${own('scan DC1')}`);
});

it.each([
  ['reset', 'DC1'],
  ['prune', '--older-than', '30d'],
  ['restore', 'DC1'],
])(
  // prettier-ignore
  'beside another isocket %s says how to go on',
  async (...args) => {
    await using daemon = site.start(['daemon']);
    await daemon.event((event) => event.type === 'watching');
    const { exitCode, all } = await type(...args);
    expect(exitCode).toBe(4);
    expect(all).toContain(`then: ${own(args.join(' '))}`);
  },
);

it('what is late, or elsewhere, names the configuration too', async () => {
  writeFileSync(`${site.root}/DC1/late`, '');
  expect((await type('status')).all).toContain(own('reset DC1'));
  expect((await type('check')).all).toContain(own('reset DC1'));
  expect((await type('scan')).all).toContain(own('reset DC1'));
});
