import type { BigIntStats } from 'node:fs';
import { createSemaphore } from '../core/semaphore.ts';
import type { Config } from '../config/config.ts';
import { readFolderListing, type FolderListing } from './folder-listing.ts';
import { wholeSeconds } from '../identity.ts';
import type { Name } from '../name.ts';
import type { MarkRecord } from '../marks/record.ts';
import type { Discrepancy, ExpectedFile, Transport } from '../transport.ts';

/** Checks files at every destination while a listing goes on. */
export interface Verification {
  /** A file that is sent; those of one folder come together. A promise holds the listing back. */
  add(path: Name, stats: BigIntStats): Promise<void> | undefined;
  /** Resolves when all are checked. */
  end(): Promise<void>;
}

export interface VerificationOptions {
  readonly root: Name;
  readonly directory: Name;
  /** What this process delivered; without it nothing counts as such. */
  readonly record?: Pick<MarkRecord, 'isNew'>;
  readonly destinations: readonly Transport[];
  /** contract.md §6: `sent` what this process delivered, `all` every file, `checksum` every file's content, `off`. */
  readonly level: Config['verify'];
  /** Called for everything that is missing or different, with the destination where it is so. */
  readonly found: (discrepancy: Discrepancy, destination: string) => void;
  readonly signal: AbortSignal;
}

/** What is kept of a file until it is checked. */
interface LocalFile {
  /** Below the directory. */
  readonly path: Name;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

const FILES_A_BATCH = 1000;
const BATCHES_AT_ONCE = 8;
/** A folder is listed as a whole where at least one in so many of its files is to be checked. */
const LISTED_FOR_ONE = 16;
/** So many files wait, with their names, while the listing of their folder goes on beside the walk; then the walk waits too. */
const MOST_WAITING = 64_000;

export const createVerification = ({
  root,
  directory,
  record,
  destinations,
  level,
  found,
  signal,
}: VerificationOptions): Verification => {
  const checksum = level === 'checksum';
  const canList = !checksum && destinations.every(({ list }) => list !== undefined);
  const atOnce = createSemaphore(() => BATCHES_AT_ONCE);
  const running: Promise<void>[] = [];
  let batch: LocalFile[] = [];
  let folder: Name | undefined;
  let inFolder = { seen: 0, wanted: 0 };
  let listing: ReturnType<typeof createListing> | undefined;

  const expected = ({ path, size, mtimeNs }: LocalFile): ExpectedFile => {
    const targetPath = `${directory}/${path}`;
    return { sourcePath: `${root}/${targetPath}`, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) };
  };
  const verifyAt = async (transport: Transport, files: readonly LocalFile[]): Promise<void> => {
    const wrong = await transport.verify(files.map(expected), { checksum }, signal);
    for (const discrepancy of wrong) found(discrepancy, transport.label);
  };
  /** Runs `work` when its turn comes, beside the walk. */
  const start = async (work: () => Promise<unknown>): Promise<void> => {
    await atOnce.acquire(1);
    const result = work()
      .then(() => undefined)
      .finally(() => atOnce.release(1));
    result.catch(() => undefined); // `end` tells of it.
    running.push(result);
  };
  const flush = (): Promise<void> | undefined => {
    const files = batch;
    batch = [];
    if (files.length === 0) return undefined;
    return start(() => Promise.all(destinations.map((transport) => verifyAt(transport, files))));
  };

  /** One listing of the current folder at every destination; files are held against it, now or when it is there. */
  const createListing = (path: Name) => {
    let waiting: LocalFile[] = [];
    const views: { readonly transport: Transport; readonly view: FolderListing }[] = [];
    const shows = (view: FolderListing, { path: filePath, size, mtimeNs }: LocalFile): boolean =>
      view.has(baseName(filePath), Number(size), wholeSeconds(mtimeNs));
    const check = async (files: readonly LocalFile[]): Promise<void> => {
      for (const { transport, view } of views) {
        // What the listing did not show as it should be is looked at one by one, for the words and for what came since.
        const doubtful = files.filter((file) => !shows(view, file));
        if (doubtful.length > 0) await verifyAt(transport, doubtful);
      }
    };
    const ready = (async (): Promise<void> => {
      const read = destinations.map(async (transport) => ({
        transport,
        view: await readFolderListing(transport, path, signal),
      }));
      views.push(...(await Promise.all(read)));
    })();
    ready.catch(() => undefined);
    const flushWaiting = async (): Promise<void> => {
      await ready;
      const files = waiting;
      waiting = [];
      await check(files);
    };
    return {
      add: (file: LocalFile): Promise<void> | undefined => {
        const isReady = views.length > 0;
        if (isReady && views.every(({ view }) => shows(view, file))) return undefined;
        return waiting.push(file) >= (isReady ? FILES_A_BATCH : MOST_WAITING) ? flushWaiting() : undefined;
      },
      end: flushWaiting,
    };
  };

  const enter = (name: Name): Promise<void> | undefined => {
    folder = name;
    inFolder = { seen: 0, wanted: 0 };
    const left = listing;
    listing = undefined;
    return left === undefined ? undefined : start(left.end);
  };
  const isWorthListing = ({ seen, wanted }: typeof inFolder): boolean =>
    canList && wanted * 2 >= FILES_A_BATCH && wanted * LISTED_FOR_ONE >= seen;

  const take = async (file: LocalFile): Promise<void> => {
    batch.push(file);
    if (batch.length < FILES_A_BATCH) return;
    if (isWorthListing(inFolder)) {
      listing = createListing(folder === '' ? directory : `${directory}/${folder}`);
      // What came before them is of other folders.
      for (const ofThisFolder of batch.splice(Math.max(0, batch.length - inFolder.wanted)))
        await listing.add(ofThisFolder);
    } else await flush();
  };

  return {
    add: (path, stats) => {
      if (level === 'off') return undefined;
      const slash = path.lastIndexOf('/');
      const itsFolder = slash === -1 ? '' : path.slice(0, slash);
      const entering = itsFolder === folder ? undefined : enter(itsFolder);
      inFolder.seen += 1;
      if (level === 'sent' && record?.isNew(stats, path) !== true) return entering;
      inFolder.wanted += 1;
      const file = { path, size: stats.size, mtimeNs: stats.mtimeNs };
      if (entering !== undefined) return entering.then(() => take(file));
      if (listing !== undefined) return listing.add(file);
      if (batch.length + 1 < FILES_A_BATCH) {
        batch.push(file); // Nothing to await: this is a hot path.
        return undefined;
      }
      return take(file);
    },
    end: async () => {
      await flush();
      await enter('');
      await Promise.all(running);
    },
  };
};

const baseName = (path: Name): Name => path.slice(path.lastIndexOf('/') + 1);
