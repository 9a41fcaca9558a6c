import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import type { Transport } from '../../src/transport.ts';
import { isFinished, parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import { expectTrue, makeProofSite, scanHere, startDaemonHere, TRANSPORTS, type ProofSite } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// What test/scenario/proof-*.test.ts prove of scans, of a daemon and the one that is started after it.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-proof-daemon-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;
const sent = (events: readonly IsocketEvent[]): number => events.filter(({ type }) => type === 'sent').length;

/** Calls `act` when the destination has been asked for the sent files and before its answer is heard. */
const whileVerifying =
  (act: () => void) =>
  (transport: Transport): Transport => ({
    label: transport.label,
    get inFlight() {
      return transport.inFlight;
    },
    send: (file, signal) => transport.send(file, signal),
    verify: async (files, how, signal) => {
      const found = await transport.verify(files, how, signal);
      act();
      return found;
    },
    tidy: (folders, signal) => transport.tidy(folders, signal),
    probe: (signal) => transport.probe(signal),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  });

describe.each(TRANSPORTS)('with %s', (transport) => {
  it('names a file that changes whenever it is read, and finishes when it no longer does', async () => {
    const site = makeProofSite(folder, server, transport, { source: { rescan: '100ms' } });
    parser(site.root).writeFiles('DC1', 3);
    parser(site.root).closeDirectory('DC1');
    const touching = setInterval(() => utimesSync(`${site.root}/DC1/file-2`, new Date(), new Date()), 1);
    const named = (event: IsocketEvent): boolean =>
      event.type === 'note' && event.message.includes('"DC1/file-2" changed whenever it was sent');
    try {
      await using first = await startDaemonHere(site.config);
      await first.event(named);
      expect(isFinished(site.root, 'DC1')).toBe(false);
    } finally {
      clearInterval(touching);
    }
    await using next = await startDaemonHere(site.config);
    await next.event(finished('DC1'));
    expectTrue(site, 'DC1', [site.there]);
  });

  it('does not finish a superseded directory in which a file was closed while it was verified', async () => {
    const site = makeProofSite(folder, server, transport, { source: { rescan: '100ms', superseded: '100ms' } });
    parser(site.root).writeFiles('DC1', 3);
    mkdirSync(`${site.root}/DC2`);
    let writes = 0;
    const writeLate = (): void => {
      writes += 1;
      if (writes <= 2) writeFileSync(`${site.root}/DC1/late-${writes}`, 'late');
    };
    {
      const verified = Promise.withResolvers<undefined>();
      const write = (): void => {
        if (writes === 0) writeLate();
        verified.resolve(undefined);
      };
      await using daemon = await startDaemonHere(site.config, whileVerifying(write));
      await verified.promise;
      expect(daemon.events.some(finished('DC1'))).toBe(false);
    }
    await using next = await startDaemonHere(site.config, whileVerifying(writeLate));
    if (!isFinished(site.root, 'DC1')) await next.event(finished('DC1'));
    expectTrue(site, 'DC1', [site.there]);
  });

  it('keeps the records of two tags of one root that share a state folder', async () => {
    const first = makeProofSite(folder, server, transport);
    const second = makeProofSite(folder, server, transport, {
      source: { root: first.root, tag: 'EX' },
      more: { state: first.state },
    });
    parser(first.root).writeFiles('DC1', 3);
    parser(first.root).writeFiles('EX1', 3);
    for (const { config } of [first, second]) {
      await using daemon = await startDaemonHere(config);
      await daemon.event(() => sent(daemon.events) === 3);
    }
    for (const name of ['DC1', 'EX1']) parser(first.root).closeDirectory(name);
    for (const [site, name] of [[first, 'DC1'] as const, [second, 'EX1'] as const]) {
      await using daemon = await startDaemonHere(site.config);
      await daemon.event(finished(name));
      expect(daemon.events.filter(({ type }) => type === 'sent' || type === 'claims')).toEqual([]);
      expectTrue(first, name, [site.there]);
    }
  });

  it('sends what two directories share no more than once a name', async () => {
    const site = makeProofSite(folder, server, transport, { source: { superseded: '1h' } });
    parser(site.root).writeFiles('DC1', 3);
    mkdirSync(`${site.root}/DC2`);
    for (const name of ['file-1', 'file-2']) linkSync(`${site.root}/DC1/${name}`, `${site.root}/DC2/${name}`);
    {
      await using daemon = await startDaemonHere(site.config);
      const names = (): number => new Set(daemon.events.map((event) => event.type === 'sent' && event.path)).size;
      await daemon.event(({ type }) => type === 'sent' && names() >= 5);
    }
    // What the first one had not confirmed in its last state.
    await scanHere(site.config);
    for (const name of ['DC1', 'DC2']) parser(site.root).closeDirectory(name);
    await using next = await startDaemonHere(site.config);
    for (const name of ['DC1', 'DC2']) await next.event(finished(name));
    expect(sent(next.events)).toBe(0);
    for (const name of ['DC1', 'DC2']) expectTrue(site, name, [site.there]);
  });

  describe('with one of two destinations down', () => {
    /** Three files that look marked, of which the first destination has one, and two new ones. */
    const halfDownSite = async (): Promise<{
      readonly site: ProofSite;
      readonly other: string;
      readonly up: () => void;
    }> => {
      const site = makeProofSite(folder, server, transport, { source: { rescan: '200ms' } });
      parser(site.root).writeFiles('DC1', 5);
      const other = `${site.there}-other`;
      for (const path of [other, `${site.there}/DC1`]) mkdirSync(path);
      for (const name of ['file-1', 'file-2', 'file-3']) chmodSync(`${site.root}/DC1/${name}`, 0o664);
      const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
      const configure = (port: number): void => {
        const destination = [config.destination, { ...config.destination, path: other, port }];
        writeFileSync(site.config, JSON.stringify({ ...config, destination }));
      };
      configure(await freePort());
      return { site, other, up: () => configure(server.port) };
    };
    const atFirst = (site: ProofSite): string[] =>
      readdirSync(`${site.there}/DC1`).filter((name) => !name.startsWith('.'));

    it.each(['scan', 'daemon'])(
      'the other one gets all, and what the one was not asked for stays a claim: %s',
      async (how) => {
        const { site, other, up } = await halfDownSite();
        if (how === 'scan') expect((await site.scan()).exitCode).toBe(3);
        else {
          await using daemon = await startDaemonHere(site.config);
          await daemon.event((event) => event.type === 'connection' && event.state === 'lost');
          await expect.poll(() => atFirst(site).length, { timeout: 20_000 }).toBe(5);
          expect(sent(daemon.events)).toBe(0);
        }
        parser(site.root).closeDirectory('DC1');
        expect(isFinished(site.root, 'DC1')).toBe(false);
        up();
        if (how === 'scan') expect((await site.scan()).exitCode).toBe(0);
        else {
          await using next = await startDaemonHere(site.config);
          await next.event(finished('DC1'));
        }
        expectTrue(site, 'DC1', [site.there, other]);
      },
    );
  });
});
