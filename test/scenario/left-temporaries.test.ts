import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { parser } from '../support/parser.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';
import { differences } from '../support/trees.ts';

const DIRECTORIES = ['DC1', 'DC2'] as const;

let folder: string;
let server: TestServer;
let proxy: Proxy;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-left-'));
  server = await startSshd(folder);
  proxy = await startProxy(server.port);
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Two closed directories with small files and a big one each, in sub-folders too. */
const filledSite = (transport: string): TestSite => {
  const site = makeSite(folder, server, {
    destination: { transport, ...through(folder, server, proxy.port) },
    more: { send: { durable: false, retry: { first: '10ms', most: '50ms', hold: 1000 } } },
  });
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  for (const directory of DIRECTORIES) {
    writeFiles(directory, 300, 2000);
    writeFiles(`${directory}/sub`, 300, 2000);
    writeFile(`${directory}/sub/big`, 12_000_000);
    closeDirectory(directory);
  }
  return site;
};

const lost = (event: IsocketEvent): boolean => event.type === 'connection' && event.state === 'lost';

/** Temporary files and folders of ours at the destination. */
const temporaries = (): string[] =>
  existsSync(server.folder)
    ? readdirSync(server.folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
        /\.isocket-.*\.part/.test(path),
      )
    : [];

const expectArrivedAndTidied = (site: TestSite): void => {
  for (const name of DIRECTORIES) expect(differences(`${site.root}/${name}`, `${server.folder}/${name}`)).toEqual([]);
  expect(temporaries()).toEqual([]);
};

describe.each(['sftp', 'rsync'])(
  '%s: no temporary file is left by sends that were repeated after one cut',
  (transport) => {
    it('by the daemon, at work on two directories', async () => {
      const site = filledSite(transport);
      await using daemon = site.start(['daemon']);
      const finished = DIRECTORIES.map((name) =>
        daemon.event((event) => event.type === 'finished' && event.directory === name),
      );
      // In the middle of a big file, with small ones in flight.
      proxy.cutAfter(4_000_000);
      await daemon.event(lost);
      await Promise.all(finished);
      expect(await daemon.stop()).toBe(143);
      expect(daemon.events.filter(lost)).toHaveLength(1);
      expectArrivedAndTidied(site);
    });

    it('by a scan, or by the next one where nothing was confirmed yet', async () => {
      const site = filledSite(transport);
      proxy.cutAfter(4_000_000);
      const { exitCode, events, stderr } = await site.scan();
      expect(events.filter(lost)).toHaveLength(1);
      if (exitCode !== 0) expect((await site.scan()).exitCode, stderr).toBe(0);
      expectArrivedAndTidied(site);
    });
  },
);
