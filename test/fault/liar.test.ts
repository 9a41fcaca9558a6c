import { copyFileSync, lstatSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSite } from '../../src/cli/commands/open-site.ts';
import { runPass } from '../../src/delivery/pass.ts';
import type { OutgoingFile, Transport } from '../../src/transport.ts';
import { expectAllThere, judge, produce, rounds, reportFigures } from '../support/invariant.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const FILES = rounds(60, 2000);
const signal = new AbortController().signal;

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-liar-'));
  server = await startSshd(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A transport that does not always do what it says it did. */
type Lie = (honest: Transport, file: OutgoingFile) => Promise<void>;

const lies: Readonly<Record<string, Lie>> = {
  'acknowledges what it did not write': () => Promise.resolve(),
  'acknowledges early': (honest, file) => {
    void honest.send(file, signal).catch(() => undefined);
    return Promise.resolve();
  },
  'corrupts a byte': async (honest, file) => {
    const copy = `${folder}/copy-${file.targetPath.replaceAll('/', '-')}`;
    copyFileSync(file.sourcePath, copy);
    const content = readFileSync(copy);
    content[0] = (content[0] ?? 0) ^ 0xff;
    writeFileSync(copy, content);
    const { atime, mtime } = lstatSync(file.sourcePath);
    utimesSync(copy, atime, mtime);
    await honest.send({ ...file, sourcePath: copy, identity: lstatSync(copy, { bigint: true }) }, signal);
  },
};

const pass = async (site: TestSite, lie: (file: OutgoingFile) => Lie | undefined) => {
  await using open = await openSite({ config: site.config }, () => undefined);
  const destinations = open.destinations.map((honest): Transport => ({
    ...honest,
    get inFlight() {
      return honest.inFlight;
    },
    send: (file, abort) => lie(file)?.(honest, file) ?? honest.send(file, abort),
    [Symbol.asyncDispose]: () => honest[Symbol.asyncDispose](),
  }));
  return await runPass({ ...open, destinations, report: () => undefined, signal });
};

describe.each(Object.entries(lies))('a transport that %s', (what, lie) => {
  const fill = (): TestSite => {
    const site = makeSite(folder, server, { more: { verify: 'checksum' } });
    for (let count = 1; count <= FILES; count += 1) produce(site.root, `DC1/f${count}`, 1 + ((count * 7919) % 9000));
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    return site;
  };

  it('now and then: it is caught, and made good', { timeout: 120_000 }, async () => {
    const site = fill();
    const told = new Set<string>();
    const { complete } = await pass(site, ({ targetPath }) => {
      if (told.has(targetPath) || told.size >= FILES / 3) return undefined;
      told.add(targetPath);
      return lie;
    });
    expect(complete).toBe(true);
    expectAllThere(site.root, server.folder, 1);
    reportFigures(`a transport that ${what}`, { lies: told.size, files: FILES });
  });

  // One that is only early has it in the end.
  if (what === 'acknowledges early') return;
  it('about one file, always: it is never finished, nor left marked', { timeout: 120_000 }, async () => {
    const site = fill();
    const { complete, summary } = await pass(site, ({ targetPath }) => (targetPath === 'DC1/f7' ? lie : undefined));
    expect(summary.finished).toBe(0);
    expect(complete).toBe(false);
    expect(judge(site.root, server.folder).wronglyMarked).toEqual([]);
    rmSync(`${server.folder}/DC1/f7`, { force: true });
    expect((await site.scan()).exitCode).toBe(0);
    expectAllThere(site.root, server.folder, 1);
  });
});
