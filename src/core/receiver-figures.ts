/** Why a login was refused, or a connection was ended before it: what the metrics of the receiver tell apart. */
export const LOGIN_REFUSALS = ['key', 'address', 'expired', 'attempts', 'slow', 'crowd', 'limit'] as const;
/** Why a request failed, as far as somebody may want to mend it. */
export const REQUEST_REFUSALS = ['permission', 'full', 'failed'] as const;
/** Why a connection that had logged in was ended by the receiver. */
export const DROPS = ['idle', 'unauthorized', 'overflow'] as const;

export type RefusalKind = (typeof LOGIN_REFUSALS)[number] | (typeof REQUEST_REFUSALS)[number] | (typeof DROPS)[number];

/** What clients did since the receiver was started. Content is in bytes. */
export interface ReceiverCounts {
  logins: number;
  sessions: number;
  /** Files that were written and closed. */
  files: number;
  /** Files whose client was gone before it closed them, or that a write failed of. */
  cut: number;
  renamed: number;
  removed: number;
  /** Folders. */
  made: number;
  /** Of the files that were closed or cut. */
  written: number;
  read: number;
  readonly refused: Record<RefusalKind, number>;
}

export const noCounts = (): ReceiverCounts => ({
  ...{ logins: 0, sessions: 0, files: 0, cut: 0, renamed: 0, removed: 0, made: 0, written: 0, read: 0 },
  refused: Object.fromEntries([...LOGIN_REFUSALS, ...REQUEST_REFUSALS, ...DROPS].map((kind) => [kind, 0])) as Record<
    RefusalKind,
    number
  >,
});

/** One connection that has logged in. */
export interface ReceiverClient {
  /** Address and port. */
  readonly client: string;
  /** The fingerprint of its key. */
  readonly key: string;
  /** The folder below the root that it sees as "/"; "": the root. */
  readonly folder: string;
  /** Whether a file is open for writing, or something is asked. */
  readonly isBusy: boolean;
  /** Open ones. */
  readonly sessions: number;
}

/** What `isocket receive` has done and has now. */
export interface ReceiverFigures {
  readonly counts: ReceiverCounts;
  /** Connections that have not logged in. */
  readonly waiting: number;
  readonly clients: readonly ReceiverClient[];
  /** Of the file system of the root, in bytes, free for a user that is not root; undefined: it cannot be asked. */
  readonly disk: { readonly size: number; readonly free: number } | undefined;
  /** What keeps clients from writing, or from getting in. */
  readonly problems: readonly string[];
}
