import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { produce } from '../support/invariant.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { onFileSystem } from '../support/mounts.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

it.each([
  ['openssh', startSshd],
  ['our receiver', startOwnReceiver],
] as const)('times that SFTP cannot hold: %s', async (_name, start) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-times-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const server = stack.use(await start(folder));
  const site = makeSite(folder, server);
  const years = [1901, 1969, 2100, 2150, 2400];
  for (const year of years) {
    produce(site.root, `DC1/y${year}`, 100);
    const time = new Date(Date.UTC(year, 11, 31, 12));
    utimesSync(`${site.root}/DC1/y${year}`, time, time);
  }
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  const { exitCode, events, summary } = await site.scan();
  expect({ exitCode, summary }, JSON.stringify(events)).toMatchObject({
    exitCode: 0,
    summary: { sent: 5, finished: 1 },
  });
  const warnings = events.filter(({ type }) => type === 'note');
  expect(JSON.stringify(warnings).match(/times that SFTP cannot carry/g), JSON.stringify(events)).toHaveLength(1);
  const verified = await site.run(['verify', '--json']);
  expect(verified.exitCode, verified.stdout).toBe(0);
  // What is here is the same, with a time that the destination makes of it.
  const restored = await site.run(['restore', 'DC1', '--json']);
  expect(restored.exitCode, restored.stdout).toBe(0);
  expect(restored.events.at(-1)).toMatchObject({ type: 'summary', restored: 0, equal: 5, different: 0 });
});

it.each(['sftp', 'rsync'])('times that the file system of the destination cannot hold: %s', (transport) =>
  onFileSystem('ext4-128', (there) =>
    onFileSystem('plain', async (here) => {
      await using server = await startSshd(there);
      const site = makeSite(here, server, { destination: { transport } });
      for (const year of [2026, 2039, 2100, 2400]) {
        produce(site.root, `DC1/y${year}`, 100);
        const time = new Date(Date.UTC(year, 11, 31, 12));
        utimesSync(`${site.root}/DC1/y${year}`, time, time);
      }
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      const { exitCode, events, summary } = await site.scan();
      const told = { exitCode, summary };
      expect(told, JSON.stringify(events)).toMatchObject({ exitCode: 0, summary: { sent: 4, finished: 1 } });
      for (const how of [[], ['--checksum']]) {
        const { exitCode: code, stdout } = await site.run(['verify', ...how]);
        expect(code, stdout).toBe(0);
      }
      const restored = await site.run(['restore', 'DC1']);
      expect(restored.exitCode, restored.stderr).toBe(0);
      const other = new Date(Date.UTC(2030, 0, 1));
      utimesSync(`${server.folder}/DC1/y2100`, other, other);
      expect((await site.run(['verify'])).exitCode).not.toBe(0);
    }),
  ),
);

it('a time that the disk here cannot hold is no other one: it is restored once', () =>
  onFileSystem('ext4-128', (here) =>
    onFileSystem('plain', async (there) => {
      await using server = await startSshd(there);
      const site = makeSite(there, server);
      for (const year of [2026, 2100]) {
        const path = `${server.folder}/DC1/y${year}`;
        produce(server.folder, `DC1/y${year}`, 100);
        const time = new Date(Date.UTC(year, 11, 31, 12));
        utimesSync(path, time, time);
      }
      for (const summary of [
        { restored: 2, different: 0 },
        { restored: 0, equal: 2, different: 0 },
      ]) {
        const { exitCode, events, stderr } = await site.run(['restore', 'DC1', '--to', here, '--json']);
        expect([exitCode, events.at(-1)], stderr).toMatchObject([0, summary]);
      }
    }),
  ));
