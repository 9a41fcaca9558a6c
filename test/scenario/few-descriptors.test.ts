import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectAllThere, produce } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const FILES = 300;

// As 4,096 files under `ulimit -n 4096`: a run of rsync keeps each of its files open.
it('more files than may be open at once all go in one scan by rsync', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-few-')), (path) => rmSync(path, { recursive: true }));
  const server = stack.use(await startSshd(folder));
  const site = makeSite(folder, server, { destination: { transport: 'rsync' } });
  for (let count = 1; count <= FILES; count += 1) produce(site.root, `DC1/f${count}`, 100);
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  await using scan = site.start(['scan'], { through: ['prlimit', '--nofile=256:256'] });
  expect(await scan.ended, scan.stderr()).toBe(0);
  const kinds = new Set(scan.events.map(({ type }) => type));
  expect(scan.events.find(({ type }) => type === 'summary')).toMatchObject({ sent: FILES, failed: 0, finished: 1 });
  expect(
    [...kinds].filter(
      (kind) => !['config', 'started', 'found', 'found-all', 'sent', 'finished', 'summary'].includes(kind),
    ),
  ).toEqual([]);
  expectAllThere(site.root, server.folder, 1);
});
