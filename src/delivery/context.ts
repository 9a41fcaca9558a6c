import type { Config } from '../config/config.ts';
import type { Report } from '../core/events.ts';
import type { StateFolder } from '../marks/state.ts';
import type { Name } from '../name.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { createOpenFilesView, type OpenFilesView } from '../source/open-files.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { Transport } from '../transport.ts';
import type { RetryMode } from './connection-health.ts';
import { createSender, type Sender } from './sender.ts';

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
  skipped: number;
  failed: number;
  held: number;
  finished: number;
}

/** What the work on a directory needs from its site. */
export interface SiteContext {
  readonly config: Config;
  readonly state: StateFolder;
  readonly isExcluded: IsExcluded;
  readonly destinations: readonly Transport[];
  readonly sender: Sender;
  readonly openFiles: OpenFilesView;
  readonly counters: Counters;
  readonly report: Report;
  readonly signal: AbortSignal;
}

// While one directory's last files travel and are verified, the next ones are fed: at most so many wait for their end.
export const FINISHING_AT_ONCE = 16;

/** What all work on the directories of a site shares: one sender, one counters, one look at who writes. */
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
    destinations,
    sender: createSender({ root, destinations, retry, retryMode, report, signal }),
    openFiles: createOpenFilesView(),
    counters: { sent: 0, bytes: 0, skipped: 0, failed: 0, held: 0, finished: 0 },
    report,
    signal,
  };
};
