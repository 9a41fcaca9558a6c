import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parser } from '../support/parser.ts';
import { TRANSPORTS } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// A destination that is the root, or one in the other: nothing is sent, compared or deleted.
let folder: string;
let server: TestServer;
let count = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-overlap-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** @param place the destination's path, as seen from the root */
const overlapping = (transport: string, place: string, tag = 'DC'): TestSite => {
  count += 1;
  const name = `DCsite-${count}`;
  const root = `${folder}/${name}/datas`;
  const site = makeSite(folder, server, {
    name,
    source: { tag },
    destination: { transport, path: join(root, place) },
    more: { state: `${folder}/state-${count}` },
  });
  parser(root).writeFiles('DC1', 2);
  parser(root).closeDirectory('DC1');
  mkdirSync(join(root, place), { recursive: true });
  return site;
};

const expectRefused = async (site: TestSite, args: readonly string[], where: RegExp): Promise<void> => {
  const { exitCode, stderr } = await site.run(args);
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(where)]);
  expect(readdirSync(`${site.root}/DC1`).toSorted().slice(0, 2)).toEqual(['file-1', 'file-2']);
  expect(readdirSync(`${site.root}/DC1`)).not.toContain('finished.watch');
};

describe.each(TRANSPORTS)('with %s', (transport) => {
  it.each([
    ['the root', '.', /Cannot use this destination.*below source\.root.*\n.*set destination\.path/],
    ['in a directory of it', 'DC1/sub', /Cannot use this destination.*DC1\/sub.*below source\.root/],
    [
      'above it, where a directory could be delivered over it',
      '../..',
      /Cannot use this destination.*holds source\.root/,
    ],
  ])('refuses a destination that is %s: scan', async (_what, place, where) => {
    await expectRefused(overlapping(transport, place), ['scan'], where);
  });

  it('sends to a folder above the root that no directory leads from into it', async () => {
    const site = overlapping(transport, '..');
    expect((await site.scan()).exitCode).toBe(0);
  });
});

it.each(['check', 'scan'])('leaves no folder of its own in the root: %s', async (command) => {
  const site = overlapping('sftp', 'copy/of/it', '');
  rmSync(`${site.root}/copy`, { recursive: true });
  expect((await site.run([command])).exitCode).toBe(2);
  expect(readdirSync(site.root)).toEqual(['DC1']);
});

it.each(['send', 'daemon', 'verify'])('refuses the root as destination: %s', async (command) => {
  const site = overlapping('sftp', '.');
  await expectRefused(site, command === 'send' ? ['send', `${site.root}/DC1/file-1`] : [command], /source\.root/);
});

it('is found out once for a root and a destination', async () => {
  const site = makeSite(folder, server, { name: 'good' });
  parser(site.root).writeFiles('DC1', 2);
  expect((await site.scan()).exitCode).toBe(0);
  const known = JSON.parse(readFileSync(`${site.state}/apart.json`, 'utf8')) as unknown;
  expect(known).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(readdirSync(server.folder)).toEqual(['DC1']);
});
