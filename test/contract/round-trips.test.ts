import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startReceiverProcess } from '../support/receiver-process.ts';
import { startRoundTripCounter } from '../support/round-trips.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';
import { differences } from '../support/trees.ts';

// Longer than either end takes to answer, so that the count is exact; long enough for a line to count as a long one.
const ONE_WAY_MS = 150;
// Where other programs take the processor, an end may answer later than that: the fewest of these counts.
const ATTEMPTS = 3;

// With OpenSSH 9.2 `rsync -a` takes 15 and 17, and `ssh HOST true` takes 9. One more than what was reached.
it.for([
  { to: 'openssh', files: 1, bytes: 4096, most: 14 },
  { to: 'openssh', files: 1000, bytes: 4096, most: 18 },
  // One channel alone takes 24 for the content: a window of 2 MiB for each.
  { to: 'openssh', files: 1, bytes: 48 * 1024 * 1024, most: 24 },
  // By commit@isocket.
  { to: 'receiver', files: 1, bytes: 4096, most: 12 },
  { to: 'receiver', files: 1000, bytes: 4096, most: 16 },
  { to: 'receiver', files: 1, bytes: 48 * 1024 * 1024, most: 24 },
])(
  '$to: a new directory of $files files of $bytes bytes takes at most $most round trips from TCP’s handshake to finished.watch',
  async ({ to, files, bytes, most }) => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-round-trips-'));
    try {
      await using server = await (to === 'openssh' ? startSshd : startReceiverProcess)(folder);
      await using proxy = await startRoundTripCounter(server.port);
      const site = makeSite(folder, server, { destination: through(folder, server, proxy.port) });
      // A new state asks once whether the destination is apart from the root.
      mkdirSync(`${site.root}/DC0`);
      writeFileSync(`${site.root}/DC0/file`, 'x');
      await site.scan();
      let fewest = Infinity;
      for (let attempt = 1; attempt <= ATTEMPTS && fewest > most; attempt += 1) {
        proxy.restart(ONE_WAY_MS);
        mkdirSync(`${site.root}/DC${attempt}`);
        for (let file = 1; file <= files; file += 1)
          writeFileSync(`${site.root}/DC${attempt}/file-${file}`, Buffer.alloc(bytes, 'x'));
        writeFileSync(`${site.root}/DC${attempt}/finished.parse`, '');
        expect(await site.scan()).toMatchObject({ summary: { sent: files }, stderr: '' });
        expect(differences(site.root, server.folder)).toEqual([]);
        fewest = Math.min(fewest, proxy.roundTrips);
      }
      expect(fewest).toBeLessThanOrEqual(most);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
