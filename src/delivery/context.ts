import type { Config } from '../config/config.ts';
import type { Report } from '../core/events.ts';
import { destinationKeys, type DestinationKey } from '../marks/record-hash.ts';
import type { StateFolder } from '../marks/state.ts';
import type { Name } from '../name.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { createOpenFilesView, type OpenFilesView } from '../source/open-files.ts';
import { SourceClock } from '../source/file-clock.ts';
import { createIsReserved } from '../source/markers.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { Transport } from '../transport.ts';
import type { RetryMode } from './connection-health.ts';
import { Sender } from './sender.ts';

export interface PassOptions {
  readonly config: Config;
  readonly state: StateFolder;
  readonly destinations: readonly Transport[];
  /** Work on these directories only; undefined: on all. */
  readonly only?: ReadonlySet<Name> | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What a pass counts. */
export interface Counters {
  sent: number;
  bytes: number;
  /** Links, sockets, fifos, devices; what `send` need not send. */
  skipped: number;
  /** Names that `source.exclude` leaves out. */
  excluded: number;
  /** Files left unsent that could be sent: in a closed directory every unsent file. */
  failed: number;
  held: number;
  finished: number;
  /** Directories that should be finished and could not be worked on or verified. */
  unfinished: number;
}

/** What all work on the directories of a site shares. */
export interface SiteContext {
  readonly config: Config;
  readonly state: StateFolder;
  readonly isExcluded: IsExcluded;
  /** Is this path below a directory named like something of ours? */
  readonly isReserved: (path: Name) => boolean;
  /** As records name the destinations, in the order of the sender's. */
  readonly keys: readonly DestinationKey[];
  readonly sender: Sender;
  readonly openFiles: OpenFilesView;
  readonly counters: Counters;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export const createSiteContext = (
  { config, state, destinations, report, signal }: PassOptions,
  retryMode: RetryMode,
): SiteContext => {
  const { root, exclude } = config.source;
  const { retry } = config.send;
  return {
    config,
    state,
    isExcluded: createIsExcluded(exclude),
    isReserved: createIsReserved(config.manifest),
    keys: destinationKeys(config.destinations),
    sender: new Sender({
      root,
      destinations,
      retry,
      retryMode,
      clock: new SourceClock(Date.now, state.clock),
      report,
      signal,
    }),
    openFiles: createOpenFilesView(),
    counters: { sent: 0, bytes: 0, skipped: 0, excluded: 0, failed: 0, held: 0, finished: 0, unfinished: 0 },
    report,
    signal,
  };
};
