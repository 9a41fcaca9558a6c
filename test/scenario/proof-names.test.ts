import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { parser } from '../support/parser.ts';
import { expectTrue, makeProofSite, TRANSPORTS } from '../support/proof.ts';
import {
  ARRIVALS,
  RENAMINGS,
  TOGETHER,
  write,
  writeBornMarked,
  type Arrival,
  type Renaming,
} from '../support/proof-cases.ts';
import type { TestServer } from '../support/server.ts';
import type { RunningSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// What is delivered is delivered under a name: the same file under another one is not there.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-names-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(TRANSPORTS)('with %s', (transport) => {
  const scanRenaming = async ({ before, after }: Renaming): Promise<void> => {
    const site = makeProofSite(folder, server, transport, { source: { superseded: '1h' } });
    const at = `${site.root}/DC1`;
    before(at);
    expect((await site.scan()).exitCode).toBe(0);
    await after(at);
    parser(site.root).closeDirectory('DC1');
    expect((await site.scan()).exitCode).toBe(0);
    expectTrue(site, 'DC1', [site.there]);
  };

  it.each(RENAMINGS)('is sent under its new name when $name', (renaming) => scanRenaming(renaming));

  const scanBornMarked = async (arrivals: readonly Arrival[]): Promise<void> => {
    const site = makeProofSite(folder, server, transport, { source: { superseded: '1h' } });
    const directories = arrivals.map((arrival, index) => ({ ...arrival, name: `DC${index + 1}` }));
    for (const { before, name } of directories) before(`${site.root}/${name}`);
    expect((await site.scan()).exitCode).toBe(0);
    for (const { after, name } of directories) {
      after(`${site.root}/${name}`);
      parser(site.root).closeDirectory(name);
    }
    expect((await site.scan()).exitCode).toBe(0);
    for (const { name } of directories) expectTrue(site, name, [site.there]);
  };

  it.each(ARRIVALS)('is sent although it looks marked: $name', (arrival) => scanBornMarked([arrival]));

  it('is sent by the daemon although it looks marked, while it is watched and across a restart', async () => {
    const site = makeProofSite(folder, server, transport, {
      source: { rescan: '1h', settle: '100ms', superseded: '1h' },
    });
    for (const name of ['DC1', 'DC2']) write(`${site.root}/${name}/first`, 'first');
    const moveIn = (directory: string): void => {
      writeBornMarked(`${site.root}/staged-${directory}/deep/a`);
      renameSync(`${site.root}/staged-${directory}`, `${site.root}/${directory}/moved`);
      parser(site.root).closeDirectory(directory);
    };
    {
      await using daemon = site.start(['daemon']);
      await allSent(daemon, 2);
      moveIn('DC1');
      await daemon.event(finished('DC1'));
      expectTrue(site, 'DC1', [site.there]);
      expect(await daemon.stop()).toBe(143);
    }
    moveIn('DC2');
    renameSync(`${site.root}/DC2`, `${site.root}/DC3`);
    await using daemon = site.start(['daemon']);
    await daemon.event(finished('DC3'));
    expectTrue(site, 'DC3', [site.there]);
  });

  it('is sent under its new names by the daemon, while it is watched and across a restart', async () => {
    const site = makeProofSite(folder, server, transport, {
      source: { rescan: '1h', settle: '100ms', superseded: '1h' },
    });
    TOGETHER.before(`${site.root}/DC1`);
    TOGETHER.before(`${site.root}/DC2`);
    {
      await using daemon = site.start(['daemon']);
      await allSent(daemon, 18);
      await TOGETHER.after(`${site.root}/DC1`);
      parser(site.root).closeDirectory('DC1');
      await daemon.event(finished('DC1'));
      expectTrue(site, 'DC1', [site.there]);
      expect(await daemon.stop()).toBe(143);
    }
    await TOGETHER.after(`${site.root}/DC2`);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    parser(site.root).closeDirectory('DC2');
    await daemon.event(finished('DC2'));
    expectTrue(site, 'DC2', [site.there]);
  });
});

const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;

const allSent = async (daemon: RunningSite, files: number): Promise<void> => {
  await daemon.event(() => daemon.events.filter(({ type }) => type === 'sent').length === files);
};
