import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { rounds } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences } from '../support/trees.ts';

const SMALL = rounds(1_000, 10_000);
const BIG_MIB = rounds(32, 1024);
const MIB = 1024 * 1024;
const TENTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Bytes of files below a folder, whole or not. */
const bytesBelow = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );

const fillSmall = (folder: string): void => {
  for (let file = 1; file <= SMALL; file += 1) writeFileSync(`${folder}/file-${file}`, randomBytes(4096));
};
const fillBig = (folder: string): void => {
  for (let written = 0; written < BIG_MIB; written += 1)
    writeFileSync(`${folder}/big`, randomBytes(MIB), { flag: 'a' });
};

it.each(
  ['sftp', 'rsync'].flatMap((transport) => [
    { transport, what: `${SMALL} files`, fill: fillSmall, bytes: SMALL * 4096 },
    { transport, what: `a file of ${BIG_MIB} MiB`, fill: fillBig, bytes: BIG_MIB * MIB },
  ]),
)(
  'a restore of $what through $transport that is killed at every tenth goes on, and is whole in the end',
  { timeout: 600_000 },
  async ({ transport, fill, bytes }) => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-restore-killed-'));
    try {
      await using server = await startSshd(folder);
      // So slow that a tenth can be caught.
      const bandwidth = `${Math.ceil(bytes / MIB / 2)}MB/s`;
      const site = makeSite(folder, server, { destination: { transport }, more: { send: { bandwidth } } });
      const there = `${server.folder}/DC1`;
      mkdirSync(there);
      fill(there);
      let [kills, most] = [0, 0];
      for (const tenth of TENTHS) {
        await using restore = site.start(['restore', 'DC1']);
        let isOver = false as boolean;
        void restore.ended.then(() => (isOver = true));
        while (!isOver && bytesBelow(site.root) < (bytes * tenth) / 10) await delay(2);
        if ((await restore.stop('SIGKILL')) === undefined) kills += 1;
        if (existsSync(`${site.root}/DC1`)) break;
        // What is here stays: the next run goes on from there.
        const now = bytesBelow(site.root);
        expect(now).toBeGreaterThanOrEqual(most);
        most = now;
      }
      expect(kills).toBeGreaterThan(4);
      expect(await site.run(['restore', 'DC1', '--json'])).toMatchObject({ exitCode: 0, stderr: '' });
      expect(differences(site.root, server.folder)).toEqual([]);
      expect(readdirSync(site.root)).toEqual(['DC1']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
