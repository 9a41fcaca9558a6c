import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { writtenOrOver } from '../support/far-end.ts';
import { expectAllThere, produce, rounds, reportFigures, watchFinalNames } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const SERVER = new URL('../fixtures/late-sftp-server.ts', import.meta.url).pathname;
const BIG_BYTES = 24 * 1024 * 1024;
const DIRECTORIES = rounds(1, 10);

it(
  'an sftp-server that opens a file when its line is long gone takes nothing from who sends it anew',
  { timeout: 600_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-sftp-late-'));
    try {
      const control = `${folder}/control`;
      mkdirSync(control);
      await using server = await startSshd(folder, { command: () => `${process.execPath} ${SERVER} ${control}` });
      // So slow that the moments can be caught.
      const site = makeSite(folder, server, { more: { send: { durable: false, bandwidth: '24MB/s' } } });
      const watch = watchFinalNames(server.folder);
      const there = async (name: string): Promise<void> => {
        while (!existsSync(`${control}/${name}`)) await delay(2);
        rmSync(`${control}/${name}`);
      };
      for (let round = 1; round <= DIRECTORIES; round += 1) {
        produce(site.root, `DC${round}/big`, BIG_BYTES);
        writeFileSync(`${site.root}/DC${round}/finished.parse`, '');
        writeFileSync(`${control}/hold`, '');
        {
          await using first = site.start(['scan']);
          await there('held');
          await first.stop('SIGKILL');
        }
        await using scan = site.start(['scan']);
        expect(await writtenOrOver(server.folder, 0.5 * BIG_BYTES, scan)).toBe('written');
        writeFileSync(`${control}/release`, '');
        await there('done');
        rmSync(`${control}/release`);
        expect(await scan.ended, scan.stderr()).toBe(0);
      }
      expectAllThere(site.root, server.folder, DIRECTORIES);
      reportFigures('an sftp-server that outlives its line, and opens the file while it is sent anew', {
        rounds: DIRECTORIES,
        'looks at final names': await watch.end(),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
