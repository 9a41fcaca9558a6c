/**
 * The whole contract between isocket and a transport: how files get to one destination.
 *
 * A transport module exports a `TransportPlugin` by default. isocket calls `parseOptions` once while it reads the
 * configuration and `connect` once a run; from then on it calls the `Transport`. Retry, back-off, concurrency,
 * dry-run, marking and logging are isocket's: a transport sends what it is given and reports truthfully what happened.
 *
 * Times at the source are nanoseconds (bigint) and serve to see whether a file is still the same. Times at a destination are whole seconds
 * (`wholeSeconds` of the source's mtime): set them so, and compare them so.
 *
 * A module that lacks a member is refused with exit code 2. What it throws beside the errors that are named here becomes an error of this
 * transport, never a defect of isocket: of `send` a failed file.
 */
import type { TransportError } from './errors.ts';
import type { FileIdentity } from './identity.ts';
import type { Name } from './name.ts';

export { plainMessage, systemErrorCode, TransportError, UserError, type TransportErrorClass } from './errors.ts';
export { isSameFile, wholeSeconds, type FileIdentity } from './identity.ts';
export { decodeName, encodeName, fsPath, showName, type Name } from './name.ts';

/** One file to deliver. */
export interface OutgoingFile {
  /** Where to read it. Open with O_NOFOLLOW, and compare what was opened with `identity`, before and after reading. */
  readonly sourcePath: Name;
  /** Where it goes, below the destination's `path`: "DC1/sub/file". Never absolute, never holds "." or "..". */
  readonly targetPath: Name;
  /** Permission bits for the destination, without the mark (07777 at most). */
  readonly mode: number;
  readonly identity: FileIdentity;
  /**
   * Set where the site keeps sums of what is sent. A transport that reads the whole file itself may call it before it resolves, with the
   * SHA-256 of what it read; where it does not, isocket reads the file once more.
   */
  readonly tellSha256?: (sum: Buffer) => void;
}

/** One file to look for at the destination. */
export interface ExpectedFile {
  /** Only read where content is compared. */
  readonly sourcePath: Name;
  readonly targetPath: Name;
  readonly size: bigint;
  /** Since 1970. */
  readonly mtimeSeconds: number;
}

/** One regular file in a listing of a folder at the destination. */
export interface ListedFile {
  readonly name: Name;
  readonly size: number;
  /** Since 1970. */
  readonly mtimeSeconds: number;
}

/** One name in a listing of all that is below a folder at the destination. */
export interface StoredEntry {
  /** Below the destination's path, as it is there: "DC1/sub/file". */
  readonly path: Name;
  /** `other`: a link, a device, whatever is neither a regular file nor a folder. A link is never followed. */
  readonly kind: 'file' | 'folder' | 'other';
  readonly size: number;
  /** Since 1970. */
  readonly mtimeSeconds: number;
}

/** One file to bring back. isocket keeps what comes of it in a temporary file here, and gives it its name. */
export interface IncomingFile {
  readonly targetPath: Name;
  /** As `listTree` showed it. */
  readonly size: number;
  readonly mtimeSeconds: number;
  /** So many bytes from its beginning are here already: what `write` takes begins there. */
  readonly offset: number;
  /** Takes the next piece of the content, in order. Not async. What it throws is isocket's to tell: let it pass. */
  readonly write: (piece: Buffer) => void;
  /** Instead of `write`: takes a whole file, from its first byte, that the transport has made in `scratch`. It is moved away. Not async. */
  readonly take: (path: Name) => void;
}

/** What a file at the destination was after its last byte was read: where it is not as it was listed, isocket does without what came of it. */
export interface FetchedFile {
  readonly size: number;
  readonly mtimeSeconds: number;
  /** Permission bits (07777 at most). */
  readonly mode: number;
}

export type SummedFile = Pick<StoredEntry, 'path' | 'size'>;

export interface FetchOptions {
  /**
   * Called once for each file, as soon as nothing more of it comes: with what it was at the destination, or with why it could not be fetched
   * (class `file`). Not async.
   */
  readonly fetched: (file: IncomingFile, end: FetchedFile | TransportError) => void;
  /** An empty folder beside what is fetched, where a transport may make files for `take`. isocket removes it. */
  readonly scratch: Name;
}

/** One file that `verify` found missing or different. */
export interface Discrepancy {
  readonly file: ExpectedFile;
  readonly kind: 'missing' | 'different';
  /** What was found, in words: "it has 12 bytes, not 4096". */
  readonly detail: string;
}

/** One thing that a transport checked before anything is sent: a line of `isocket check`. */
export interface ProbeResult {
  /** In a word or two: "host key", "login", "atomic rename", "free space". */
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failure';
  /** What was found, in words. */
  readonly message: string;
  /** What to do about it, in one sentence; every warning and failure has one. */
  readonly hint?: string;
}

/** What isocket gives a transport for one run. */
export interface TransportContext {
  /** The site's name. */
  readonly site: string;
  /** Is part of the name of our temporary files at the destination: `.isocket-OWNER-….part`. Eight hex digits, the same for a site in every run. */
  readonly owner: string;
  /** A folder for this transport alone that survives a restart. It does not exist yet: make it on first use, with mode 0700. */
  readonly stateFolder: string;
  /** Confirm a file only when it is on stable storage, content and name. */
  readonly durable: boolean;
  /** Bytes a second for all files together; null: no limit. Another one at another hour: read it whenever it is needed. */
  readonly bandwidth: number | null;
  /** Writes one line to the log: a capability that is missing, a channel that was refused. */
  readonly log: (level: 'info' | 'warning', message: string) => void;
}

/**
 * A destination, for one run.
 *
 * What runs at once: up to `inFlight` sends, and beside them any number of `verify`, `list`, `listTree`, `fetch`, `sums` and `tidy`, of the same folders too, but `tidy`
 * only of folders to which nothing is being sent. More sends than `inFlight` may come, and two to one name: all of them end.
 *
 * Disposing ends what still runs: each send under way resolves if its file is whole at the destination, or else rejects with class
 * `network`. When it resolves, no connection, child process or listener is left. A later call rejects
 * with class `network`; disposing again does nothing. After an abort every call rejects with the signal's reason.
 */
export interface Transport extends AsyncDisposable {
  /** For people: "sftp://user@host:22/path". */
  readonly label: string;
  /** How many sends it wants at once, 1 or more. Read before each send: it may change. */
  readonly inFlight: number;
  /**
   * For whoever watches: how many bytes the destination took so far of files that are being sent, by their `targetPath`; of the big ones at
   * least. Asked a few times a second, by people only: not async.
   */
  readonly underWay?: () => ReadonlyMap<Name, number>;
  /** For whoever watches: the connection that it had was lost, and none was needed since. Not async. */
  readonly isLost?: () => boolean;
  /**
   * Resolves only when the destination has confirmed the whole file under its final name. Rejects with a
   * `TransportError`; each file succeeds or fails alone. Connects when first needed and again after the connection was lost.
   * After an abort what takes a moment may still end, and resolve. Otherwise it rejects with the signal's reason, nothing of this send
   * continues, and nothing is left but a temporary file that a later send resumes.
   */
  send(file: OutgoingFile, signal: AbortSignal): Promise<void>;
  /**
   * Which of these are missing or different: compares size and mtime in whole seconds, with `checksum` the content too; a file that is gone at
   * the source is different then.
   */
  verify(
    files: readonly ExpectedFile[],
    options: { readonly checksum: boolean },
    signal: AbortSignal,
  ): Promise<Discrepancy[]>;
  /**
   * Calls `visit` once for every regular file of one folder below the destination's path ("DC1", "DC1/sub"), in any order. Implement it
   * where one listing is much cheaper than `verify` of each file. Temporary files are listed as they are, everything that is not a regular
   * file is left out, links too. A folder that is not there has no files.
   */
  readonly list?: (folder: Name, visit: (file: ListedFile) => void, signal: AbortSignal) => Promise<void>;
  /**
   * For `isocket list` and `isocket restore`, with `fetch`: calls `visit` once for each name below a folder ("DC1", "" is the destination's path
   * itself), in any order; `deep`: for all that is in its sub-folders too, which are entered by their real names, never through a link. Temporary
   * files are listed as they are. A folder that is not there has no entries; one that may not be listed is an error: nothing is left out in
   * silence.
   */
  readonly listTree?: (
    folder: Name,
    options: { readonly deep: boolean; readonly visit: (entry: StoredEntry) => void },
    signal: AbortSignal,
  ) => Promise<void>;
  /**
   * Brings files back, as many at once as is good for it. Resolves when `fetched` was called for each of them; rejects where the connection
   * fails, and the rest is asked for again later, and with a system error (`code`, `errno`) where the disk here refuses what the transport writes to
   * the scratch folder itself. A file is never changed at the destination.
   */
  readonly fetch?: (files: readonly IncomingFile[], options: FetchOptions, signal: AbortSignal) => Promise<void>;
  /**
   * The SHA-256, in hexadecimal digits, of the content of files below the destination's path, computed there: of those of which it can be had. Only
   * where that costs no transfer of the content.
   */
  readonly sums?: (files: readonly SummedFile[], signal: AbortSignal) => Promise<ReadonlyMap<Name, string>>;
  /**
   * Removes the temporary files of this owner that nothing will resume, in these folders below the destination's path
   * ("DC1", "DC1/sub"), and where the transport can list folders in all below them: one may have got another name at the source since.
   * No other file is ever touched. A folder that is not there is not an error.
   */
  tidy(folders: readonly Name[], signal: AbortSignal): Promise<void>;
  /**
   * Checks whether all of the above would work: reaching the destination, logging in, writing, replacing, free space. Yields each result as
   * soon as it is known, and ends early where the rest depends on what failed. What went wrong is a result, never an exception; only an
   * abort throws, the signal's reason. May be the only call; leaves nothing behind but the destination's `path`.
   */
  probe(signal: AbortSignal): AsyncIterable<ProbeResult>;
}

export interface TransportPlugin<Options = unknown> {
  readonly name: string;
  /**
   * Pure, not async. The `destination` section as written → options; throws a `UserError` that names key, value and what is expected. It is
   * reported with all other problems of the configuration.
   */
  parseOptions(input: Readonly<Record<string, unknown>>): Options;
  /** Not async; opens nothing yet: the first call connects. */
  connect(options: Options, context: TransportContext): Transport;
}

/** Returns the plug-in as it is: gives it its types. */
export const definePlugin = <Options>(plugin: TransportPlugin<Options>): TransportPlugin<Options> => plugin;
