import type { Bandwidth } from '../core/bandwidth.ts';
import type { ListenAddress } from '../core/listen-address.ts';
import type { NewestBy } from '../core/lifecycle.ts';
import type { ReceiverLimits } from '../core/receiver-limits.ts';
import type { RetryOptions } from '../core/retry.ts';
import type { TransportPlugin } from '../transport.ts';

/** A site's configuration as the rest of the program uses it: contract.md §6 with every default filled in. */
export interface Config {
  readonly site: string;
  readonly source: {
    readonly root: string;
    readonly tag: string;
    readonly newest: NewestBy;
    readonly settleMs: number;
    readonly supersededMs: number;
    readonly rescanMs: number;
    readonly exclude: readonly string[];
    readonly watcher: 'auto' | 'inotifywait' | 'chokidar';
    /** A mark that no record explains counts as sent, unasked. */
    readonly trustMarks: boolean;
  };
  /** Those that must have a file before it is marked. */
  readonly destinations: readonly Destination[];
  /** Those that get what the others have, when it can be (`required: false`). */
  readonly bestEffort: readonly Destination[];
  readonly send: {
    readonly durable: boolean;
    /** Bytes a second; null: no limit. */
    readonly bandwidth: Bandwidth;
    readonly retry: RetryOptions;
  };
  readonly verify: 'sent' | 'all' | 'checksum' | 'off';
  readonly announce: boolean;
  /** `SHA256SUMS` is delivered into each directory before it is finished. */
  readonly manifest: boolean;
  /** null: the default folder. */
  readonly state: string | null;
  readonly log: LogConfig;
  readonly status: StatusConfig;
  readonly hooks: HooksConfig;
  readonly alerts: AlertsConfig;
}

export interface StatusConfig {
  /** Where the daemon answers over HTTP; null: nowhere. */
  readonly listen: ListenAddress | null;
  /** A file that gets the metrics. */
  readonly textfile: string | null;
}

/** A command line for the shell, or a program and its arguments. */
export type HookCommand = string | readonly string[];

export interface HooksConfig {
  readonly finished: HookCommand | null;
  readonly alert: HookCommand | null;
  /** A URL. */
  readonly ping: string | null;
  /** Of a command. */
  readonly timeoutMs: number;
  /** Of the daemon. */
  readonly pingEveryMs: number;
}

/** When somebody is told; null: never. */
export interface AlertsConfig {
  readonly unsentMs: number | null;
  readonly downMs: number | null;
  readonly successMs: number | null;
  readonly held: boolean;
  readonly late: boolean;
  /** Of the parser. */
  readonly silentMs: number | null;
  readonly umask: boolean;
}

export interface LogConfig {
  readonly level: 'error' | 'warning' | 'info' | 'debug';
  readonly format: 'text' | 'json';
  /** A file that gets the log too. */
  readonly file: string | null;
}

/** contract.md §8: what `isocket receive` takes as options. */
export interface ReceiveSection {
  readonly root: string;
  /** HOST:PORT, or [ADDRESS]:PORT for IPv6. */
  readonly listen: string;
  /** A file. */
  readonly authorizedKeys: string;
  /** Files; null: the default one. */
  readonly hostKey: string | readonly string[] | null;
  readonly appendOnly: boolean;
  readonly keepVersions: boolean;
  readonly atomicPuts: boolean;
  readonly allowRoot: boolean;
  readonly limits: ReceiverLimits;
  readonly status: { readonly listen: string | null; readonly textfile: string | null };
}

/** One destination: a transport and what its `parseOptions` made of the section. */
export interface Destination {
  readonly plugin: TransportPlugin;
  readonly options: unknown;
  /** Tells destinations apart in records: another host, path or transport is another destination. */
  readonly identity: string;
  /** In the order of the file, from 0. */
  readonly place: number;
}

/** All destinations, in the order of the file. */
export const allDestinations = ({
  destinations,
  bestEffort,
}: Pick<Config, 'destinations' | 'bestEffort'>): readonly Destination[] =>
  [...destinations, ...bestEffort].toSorted((a, b) => a.place - b.place);
