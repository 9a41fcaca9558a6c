import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { isFinished, parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import { expectTrue, makeProofSite, readProof, TRANSPORTS, type ProofSite } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// Who confirmed what: a mark is believed of no other site, and for no other destination.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-sites-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface ConfigFile {
  readonly destination: { readonly port: number };
}

const configure = (site: ProofSite, change: (config: ConfigFile) => object): void => {
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as ConfigFile;
  writeFileSync(site.config, JSON.stringify(change(config)));
};
const finished = (event: IsocketEvent): boolean => event.type === 'finished' && event.directory === 'DC1';
const inodes = (at: string): bigint[] =>
  readdirSync(at)
    .toSorted()
    .map((name) => lstatSync(`${at}/${name}`, { bigint: true }).ino);
const claimsOf = (events: readonly IsocketEvent[]) => events.find((event) => event.type === 'claims');

describe.each(TRANSPORTS)('with %s', (transport) => {
  /** Three files of DC1 are sent; it is not closed. */
  const sentSite = async (): Promise<ProofSite> => {
    const site = makeProofSite(folder, server, transport);
    parser(site.root).writeFiles('DC1', 3);
    expect((await site.scan()).summary.sent).toBe(3);
    return site;
  };

  it.each(['scan', 'daemon'])('sends everything to a changed destination.path: %s', async (command) => {
    const site = await sentSite();
    const other = `${site.there}-other`;
    mkdirSync(other);
    configure(site, (config) => ({ ...config, destination: { ...config.destination, path: other } }));
    parser(site.root).closeDirectory('DC1');
    if (command === 'scan') expect((await site.scan()).exitCode).toBe(0);
    else {
      await using daemon = site.start(['daemon']);
      await daemon.event(finished);
    }
    expectTrue(site, 'DC1', [other]);
  });

  it('sends to an added destination what it lacks, and nothing again to the one that has it', async () => {
    const site = await sentSite();
    const other = `${site.there}-other`;
    mkdirSync(other);
    const before = inodes(`${site.there}/DC1`);
    configure(site, (config) => ({
      ...config,
      destination: [config.destination, { ...config.destination, path: other }],
    }));
    parser(site.root).closeDirectory('DC1');
    expect((await site.scan()).exitCode).toBe(0);
    expectTrue(site, 'DC1', [site.there, other]);
    expect(inodes(`${site.there}/DC1`)).toEqual(before);
  });

  it('does not believe the marks of another site on the same root', async () => {
    const first = await sentSite();
    const second = makeProofSite(folder, server, transport, { source: { root: first.root } });
    parser(first.root).closeDirectory('DC1');
    expect((await second.scan()).exitCode).toBe(0);
    expectTrue(first, 'DC1', [second.there]);
  });

  it('asks for what a record of 0.1.0 knows: nothing is sent that is there, and nothing is lost', async () => {
    const site = await sentSite();
    const record = `${site.state}/records/DC1`;
    const entries = [1, 2, 3].map((index) => {
      const { ino, ctimeNs } = lstatSync(`${site.root}/DC1/file-${index}`, { bigint: true });
      const entry = Buffer.alloc(16);
      entry.writeBigUInt64LE(ino);
      entry.writeBigInt64LE(ctimeNs, 8);
      return entry;
    });
    writeFileSync(record, Buffer.concat(entries));
    rmSync(`${site.there}/DC1/file-2`);
    parser(site.root).closeDirectory('DC1');
    const { exitCode, events, summary } = await site.scan();
    expect({ exitCode, sent: summary.sent }).toEqual({ exitCode: 0, sent: 1 });
    expect(claimsOf(events)).toMatchObject({ confirmed: 2, absent: 1, open: 0 });
    expectTrue(site, 'DC1', [site.there]);
  });

  it.each(['open', 'closed'])(
    'leaves claims open while the destination cannot be asked: directory %s',
    async (phase) => {
      const site = makeProofSite(folder, server, transport);
      const port = (JSON.parse(readFileSync(site.config, 'utf8')) as { destination: { port: number } }).destination
        .port;
      parser(site.root).writeFiles('DC1', 3);
      for (const name of readdirSync(`${site.root}/DC1`)) chmodSync(`${site.root}/DC1/${name}`, 0o664);
      const dead = await freePort();
      configure(site, (config) => ({ ...config, destination: { ...config.destination, port: dead } }));
      if (phase === 'closed') parser(site.root).closeDirectory('DC1');
      const { exitCode, summary } = await site.scan();
      expect({ exitCode, sent: summary.sent }).toEqual({ exitCode: 3, sent: 0 });
      expect(isFinished(site.root, 'DC1')).toBe(false);
      configure(site, (config) => ({ ...config, destination: { ...config.destination, port } }));
      parser(site.root).closeDirectory('DC1');
      expect((await site.scan()).exitCode).toBe(0);
      expectTrue(site, 'DC1', [site.there]);
    },
  );

  it('believes claims with trustMarks, asks nobody, and says how many', async () => {
    const dead = await freePort();
    const site = makeProofSite(folder, server, transport, {
      source: { trustMarks: true },
      destination: { port: dead },
    });
    parser(site.root).writeFiles('DC1', 3);
    for (const name of readdirSync(`${site.root}/DC1`)) chmodSync(`${site.root}/DC1/${name}`, 0o664);
    parser(site.root).closeDirectory('DC1');
    expect((await site.scan()).exitCode).toBe(0);
    expect(readProof(site, 'DC1')).toMatchObject({ files: 3, trusted: 3, destinations: [] });
  });

  it('refuses a state folder of another root, with the fix', async () => {
    const first = await sentSite();
    const second = makeProofSite(folder, server, transport, { more: { state: first.state } });
    parser(second.root).writeFiles('DC1', 1);
    const before = readdirSync(`${first.state}/records`);
    for (const command of ['scan', 'daemon']) {
      const { exitCode, stderr } = await second.run([command]);
      expect(exitCode).toBe(2);
      expect(stderr).toContain('it belongs to source.root');
      expect(stderr).toContain('give each configuration a "site" of its own');
    }
    expect(readdirSync(`${first.state}/records`)).toEqual(before);
    expect((await first.scan()).summary.sent).toBe(0);
  });

  it('tidies what was left by a run whose state was lost', async () => {
    const site = makeProofSite(folder, server, transport);
    parser(site.root).writeFiles('DC1', 3);
    parser(site.root).closeDirectory('DC1');
    const owner = createHash('sha256').update(`${site.name}\0${site.root}`).digest('hex').slice(0, 8);
    const left = transport === 'sftp' ? `.isocket-${owner}-0123456789ab1.part` : `.isocket-${owner}.part/file-2`;
    mkdirSync(dirname(`${site.there}/DC1/${left}`), { recursive: true });
    writeFileSync(`${site.there}/DC1/${left}`, 'half');
    expect((await site.scan()).summary.finished).toBe(1);
    expect(readdirSync(`${site.there}/DC1`).toSorted()).toEqual(['file-1', 'file-2', 'file-3']);
  });

  it('keeps the records of two tags of one root that share a state folder', async () => {
    const first = await sentSite();
    const second = makeProofSite(folder, server, transport, {
      source: { root: first.root, tag: 'EX' },
      more: { state: first.state },
    });
    parser(first.root).writeFiles('EX1', 2);
    expect((await second.scan()).summary.sent).toBe(2);
    const { events, summary } = await first.scan();
    expect([summary.sent, claimsOf(events)]).toEqual([0, undefined]);
  });
});
