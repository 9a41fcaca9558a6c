import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { isMarked } from '../../src/marks/mark.ts';
import { FILE_SYSTEMS, onFileSystem } from '../support/mounts.ts';
import { isFinished, parser } from '../support/parser.ts';
import { expectTrue, makeProofSite, TRANSPORTS, type ProofSite } from '../support/proof.ts';
import { until } from '../support/until.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// Times are trusted as far as the clock of the file system is fine.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-clock-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const startOfSecond = (): Promise<void> => until(() => Date.now() % 1000 < 50);
const lateInSecond = (): boolean => Date.now() % 1000 > 900;
const hasMark = (path: string): boolean => isMarked(statSync(path, { bigint: true }));
const contentOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
const finished = (event: IsocketEvent): boolean => event.type === 'finished' && event.directory === 'DC1';

/** Scans until the directory is finished; three times at most. */
const scanUntilFinished = async (site: ProofSite): Promise<void> => {
  for (let scans = 0; scans < 3 && !isFinished(site.root, 'DC1'); scans += 1) await site.scan();
};

describe.each(TRANSPORTS)('with %s', (transport) => {
  /** What the daemon sends at once is written over in the second in which it was written first. */
  const rewriteEarly = (kind: (typeof FILE_SYSTEMS)[number]): Promise<void> =>
    onFileSystem(kind, async (base) => {
      const site = makeProofSite(base, server, transport, { source: { superseded: '1h' } });
      mkdirSync(`${site.root}/DC1`);
      const path = `${site.root}/DC1/file`;
      await using daemon = site.start(['daemon']);
      await daemon.event(({ type }) => type === 'watching');
      parser(site.root).writeFile('DC1/warm');
      await daemon.event(({ type }) => type === 'sent');
      await startOfSecond();
      writeFileSync(path, 'first ');
      await until(() => hasMark(path) || lateInSecond());
      const stopping = daemon.stop();
      writeFileSync(path, 'second');
      await stopping;
      parser(site.root).closeDirectory('DC1');
      await scanUntilFinished(site);
      expectTrue(site, 'DC1', [site.there]);
    });

  it.each(FILE_SYSTEMS)('sends what is written over in the second in which it was written, on %s', rewriteEarly);

  /** Written over in the second of our `chmod`, with its mtime set back. */
  const rewriteAfterMark = async (site: ProofSite, begin: () => Promise<unknown>): Promise<void> => {
    const path = `${site.root}/DC1/file`;
    const scanning = begin();
    await until(() => hasMark(path));
    const { atime, mtime } = statSync(path);
    writeFileSync(path, 'second', { flag: 'r+' });
    utimesSync(path, atime, mtime);
    await scanning;
  };

  it.each(FILE_SYSTEMS)('sends what is written over under its old mtime right after its mark, on %s', (kind) =>
    onFileSystem(kind, async (base) => {
      const site = makeProofSite(base, server, transport);
      parser(site.root).makeDirectory('DC1');
      writeFileSync(`${site.root}/DC1/file`, 'first ');
      await rewriteAfterMark(site, () => site.scan());
      parser(site.root).closeDirectory('DC1');
      await scanUntilFinished(site);
      expectTrue(site, 'DC1', [site.there]);
      expect(contentOf(`${site.there}/DC1/file`)).toBe('second');
    }),
  );

  it('sends it also where the daemon is killed before that second is over', () =>
    onFileSystem('ext4-128', async (base) => {
      const site = makeProofSite(base, server, transport, { source: { superseded: '1h' } });
      parser(site.root).makeDirectory('DC1');
      writeFileSync(`${site.root}/DC1/file`, 'first ');
      await using daemon = site.start(['daemon']);
      await rewriteAfterMark(site, () => Promise.resolve());
      await daemon.stop('SIGKILL');
      parser(site.root).closeDirectory('DC1');
      await using next = site.start(['daemon']);
      await next.event(finished);
      expectTrue(site, 'DC1', [site.there]);
    }));

  it('sends what is born g+w with kept times in a new directory without a birth time', () =>
    onFileSystem('ext4-128', async (base) => {
      const site = makeProofSite(base, server, transport);
      const arrive = (directory: string, name: string): void => {
        const path = `${site.root}/${directory}/${name}`;
        mkdirSync(`${site.root}/${directory}`, { recursive: true });
        writeFileSync(path, `born in ${directory}`);
        utimesSync(path, 1_000_000, 1_000_000);
        chmodSync(path, 0o664);
      };
      arrive('DC1', 'first');
      expect((await site.scan()).exitCode).toBe(0);
      arrive('DC1', 'second');
      arrive('DC2', 'first');
      for (const name of ['DC1', 'DC2']) parser(site.root).closeDirectory(name);
      expect((await site.scan()).exitCode).toBe(0);
      for (const name of ['DC1', 'DC2']) expectTrue(site, name, [site.there]);
    }));
});

// Files keep the times of the kernel's clock, as those of a file server do: it is the process that has another one.
it.each(['-1h', '+1h'])('waits for quiet in a superseded directory where its own clock is %s off', async (shift) => {
  const site = makeProofSite(mkdtempSync(join(folder, 'shift-')), server, 'sftp', { source: { superseded: '10m' } });
  const { makeDirectory, writeFile } = parser(site.root);
  for (const name of ['DC1', 'DC2']) {
    makeDirectory(name);
    writeFile(`${name}/file`);
  }
  await using scan = site.start(['scan'], {
    through: ['faketime', '-f', shift],
    env: { NO_FAKE_STAT: '1' },
  });
  expect(await scan.ended).toBe(0);
  expect(['DC1', 'DC2'].map((name) => hasMark(`${site.root}/${name}/file`))).toEqual([true, true]);
  expect(isFinished(site.root, 'DC1')).toBe(false);
});

it('goes on where a file vanishes while its content is compared', () =>
  onFileSystem('ext4-128', async (base) => {
    const site = makeProofSite(base, server, 'sftp');
    parser(site.root).writeFiles('DC1', 3);
    const path = `${site.root}/DC1/file-1`;
    await using daemon = site.start(['daemon']);
    await until(() => hasMark(path));
    rmSync(path);
    parser(site.root).closeDirectory('DC1');
    await daemon.event(finished);
    expectTrue(site, 'DC1', [site.there]);
  }));
