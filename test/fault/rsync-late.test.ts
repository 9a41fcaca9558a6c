import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import { gone, killed, writtenOrOver } from '../support/far-end.ts';
import { expectAllThere, produce, rounds, reportFigures, watchFinalNames } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const BIG_BYTES = 24 * 1024 * 1024;
const DIRECTORIES = rounds(1, 10);

// As after a network black hole, which the server notices hours later, or on a disk that hangs.
it(
  'a remote rsync that outlives its connection does not touch what is sent meanwhile',
  { timeout: 600_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-rsync-late-'));
    try {
      await using server = await startSshd(folder);
      const site = makeSite(folder, server, {
        destination: { transport: 'rsync' },
        // So slow that the moments can be caught.
        more: { send: { durable: false, bandwidth: '24MB/s' } },
      });
      const sshd = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
      const watch = watchFinalNames(server.folder);
      /** Cuts a scan's connection when its remote rsync has written this share. Resolves with the remote processes, the writing one last. */
      const cutAt = async (share: number, meanwhile: (writer: number) => void): Promise<readonly number[]> => {
        await using scan = site.start(['scan']);
        expect(await writtenOrOver(server.folder, share * BIG_BYTES, scan)).toBe('written');
        const far = await childrenOf(sshd, 'rsync');
        for (const writer of far.slice(-1)) meanwhile(writer);
        return far;
      };
      for (let round = 1; round <= DIRECTORIES; round += 1) {
        produce(site.root, `DC${round}/big`, BIG_BYTES);
        writeFileSync(`${site.root}/DC${round}/finished.parse`, '');
        using stopped = new DisposableStack();
        const [late = NaN] = (
          await cutAt(0.1, (writer) => {
            process.kill(writer, 'SIGSTOP');
            stopped.defer(() => killed(writer));
          })
        ).slice(-1);
        // On a busy host the session of the stopped process may still be there, and that process does not end by itself.
        await gone((await cutAt(0.3, () => undefined)).filter((pid) => pid !== late));
        // This rsync could keep its partial file: the next scan resumes it.
        expect(readdirSync(`${server.folder}/DC${round}`)).toContainEqual(
          expect.stringMatching(/^\.isocket-\w+\.part$/),
        );
        await using scan = site.start(['scan']);
        expect(await writtenOrOver(server.folder, 0.6 * BIG_BYTES, scan)).toBe('written');
        process.kill(late, 'SIGCONT');
        await gone([late]);
        expect(await scan.ended, scan.stderr()).toBe(0);
      }
      expectAllThere(site.root, server.folder, DIRECTORIES);
      reportFigures('a far rsync that outlives its line, and ends while another one goes on with the file', {
        rounds: DIRECTORIES,
        'looks at final names': await watch.end(),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
