import { execa } from 'execa';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect } from 'vitest';
import { describe } from '../../src/cli/reporters/describe.ts';
import { openSite } from '../../src/cli/commands/open-site.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { chooseSource } from '../../src/watcher/choose-source.ts';
import { findWatcherFacts, openWatcher } from '../../src/watcher/watcher.ts';
import type { IsocketEvent, SummaryEvent } from '../../src/core/events.ts';
import { runPass } from '../../src/delivery/pass.ts';
import type { Transport } from '../../src/transport.ts';
import type { TestServer } from './server.ts';
import { makeSite, type SiteOptions, type TestSite } from './site.ts';
import { differences } from './trees.ts';

export const TRANSPORTS = ['sftp', 'rsync'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** A site whose destination is a folder of its own. */
export interface ProofSite extends Omit<TestSite, 'scan'> {
  /** The destination's folder, on this machine. */
  readonly there: string;
  /** What `isocket scan` does, in this process: the start of one takes longer than the scan. */
  scan(): Promise<ScanOutcome>;
}

export interface ScanOutcome {
  readonly exitCode: number;
  readonly events: readonly IsocketEvent[];
  readonly summary: SummaryEvent;
  /** What went wrong, in words. */
  readonly warnings: readonly string[];
}

/** @param wrap stands between isocket and each destination */
export const scanHere = async (
  config: string,
  wrap: (transport: Transport) => Transport = (transport) => transport,
): Promise<ScanOutcome> => {
  const events: IsocketEvent[] = [];
  const report = (event: IsocketEvent): void => {
    events.push(event);
  };
  await using site = await openSite({ config }, report);
  const { signal } = new AbortController();
  const destinations = site.destinations.map(wrap);
  const { complete, summary } = await runPass({ ...site, destinations, report, signal });
  const warnings = events.flatMap((event) => {
    const told = describe(event);
    return told?.severity === 'failure' || told?.severity === 'warning' ? [told.text] : [];
  });
  return { exitCode: complete ? 0 : 3, events, summary, warnings };
};

/** A daemon in this process. Disposing of it ends it in order. */
export interface DaemonHere extends AsyncDisposable {
  readonly events: readonly IsocketEvent[];
  /** Resolves with the first matching event, past or future. */
  event(fits: (event: IsocketEvent) => boolean): Promise<IsocketEvent>;
}

/** What `isocket daemon` does, in this process. @param wrap stands between isocket and each destination */
export const startDaemonHere = async (
  config: string,
  wrap: (transport: Transport) => Transport = (transport) => transport,
): Promise<DaemonHere> => {
  const events: IsocketEvent[] = [];
  const waiting = new Set<(event: IsocketEvent) => void>();
  const report = (event: IsocketEvent): void => {
    events.push(event);
    for (const check of [...waiting]) check(event);
  };
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await openSite({ config }, report));
  const choice = chooseSource(site.config.source.watcher, await findWatcherFacts());
  const reportFailure = (message: string): void => report({ type: 'note', level: 'warning', message });
  const watcher = stack.use(openWatcher(choice, { reportFailure }));
  const stop = new AbortController();
  const destinations = site.destinations.map(wrap);
  const running = new Daemon({ ...site, destinations, watcher, report, signal: stop.signal }).run();
  stack.defer(async () => {
    stop.abort();
    await running;
  });
  const held = stack.move();
  return {
    events,
    event: (fits) =>
      new Promise((resolve, reject) => {
        const past = events.find(fits);
        if (past !== undefined) return resolve(past);
        const check = (event: IsocketEvent): void => {
          if (!fits(event)) return;
          waiting.delete(check);
          resolve(event);
        };
        waiting.add(check);
        running.then(() => reject(new Error('the daemon ended without that event')), reject);
      }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
};

let count = 0;

/** @param base where the root and the state are */
export const makeProofSite = (
  base: string,
  server: TestServer,
  transport: TransportName,
  options: SiteOptions = {},
): ProofSite => {
  count += 1;
  const there = `${server.folder}/case-${basename(base)}-${count}`;
  mkdirSync(there);
  const name = options.name ?? `site-${count}`;
  const site = makeSite(base, server, {
    ...options,
    name,
    destination: { transport, path: there, ...options.destination },
  });
  return { ...site, there, scan: () => scanHere(site.config) };
};

interface Proof {
  readonly files: number;
  readonly trusted: number;
  readonly destinations: readonly { readonly label: string; readonly checked: number }[];
}

export const readProof = ({ root }: Pick<TestSite, 'root'>, directory: string): Proof =>
  JSON.parse(readFileSync(`${root}/${directory}/finished.watch`, 'utf8')) as Proof;

/**
 * The directory is finished, `finished.watch` names just these destinations, and each of them has every file byte for byte. What an
 * older name left there does no harm.
 */
export const expectTrue = (site: Pick<TestSite, 'root'>, directory: string, folders: readonly string[]): void => {
  const { destinations } = readProof(site, directory);
  const named = folders.filter((folder) => destinations.some(({ label }) => label.endsWith(folder)));
  expect([named, destinations.length]).toEqual([folders, folders.length]);
  for (const folder of folders) {
    const lacking = differences(`${site.root}/${directory}`, `${folder}/${directory}`).filter(
      (difference) => !difference.startsWith('only at the destination'),
    );
    expect(lacking).toEqual([]);
  }
};

const EXCHANGE = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
`;

/** renameat2(RENAME_EXCHANGE): each gets the other's name, in one step. */
export const exchange = async (one: string, other: string): Promise<void> => {
  await execa('python3', ['-c', EXCHANGE, one, other]);
};
