import { errorMessage } from '../../errors.ts';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { ChannelClosedError, SftpStatusError } from '../../sftp/replies.ts';
import { Extension } from '../../sftp/protocol.ts';
import type { Name, TransportContext } from '../../transport.ts';
import type { Master } from '../../ssh/program/master.ts';
import { openSftpChannel, SESSION_REFUSED } from '../../ssh/program/sftp-channel.ts';
import { Silence, SILENCE, SILENCE_AT_END, type SilenceLimits } from '../sftp/silence.ts';
import { syncFolder } from '../sync-folder.ts';
import type { Runs } from './runs.ts';
import { folderOf } from './target-path.ts';

const WATCH_EVERY_MS = 500;

/** `rsync --fsync` syncs content but not the folders' entries: those are synced over SFTP, on the same connection. */
export interface DurableNames {
  /**
   * Resolves when the entries of these folders, and of parents not synced before, are on stable storage, or when the server cannot
   * sync them (logged). Rejects when the channel fails, or does not answer: for long, or soon once this run `mustEnd`.
   */
  sync(folders: ReadonlySet<Name>, mustEnd?: () => boolean): Promise<void>;
  /** Gives its session on the connection back, where the server opens no further one. False: it had none. */
  giveWay(): Promise<boolean>;
  close(): void;
}

/** Of a server that opens one session at a time: nothing else runs meanwhile. */
export type Alone = Pick<Runs, 'exclusive' | 'alone'>;

interface NamesChannel {
  readonly client: SftpClient;
  /** Resolves when its process has ended. */
  readonly ended: Promise<void>;
}

export const createDurableNames = (
  master: Master,
  path: string,
  { durable, log }: Pick<TransportContext, 'durable' | 'log'>,
  { exclusive, limits = SILENCE }: { readonly exclusive?: Alone; readonly limits?: SilenceLimits } = {},
): DurableNames => {
  const synced = new Set<Name>();
  let open: Promise<NamesChannel | undefined> | undefined;
  let isEnding = (): boolean => false;

  const connect = (): Promise<NamesChannel | undefined> =>
    openNames(master, { log, exclusive, limits, isEnding: () => isEnding() });

  const syncOver = async (folders: ReadonlySet<Name>): Promise<void> => {
    const held = (open ??= connect());
    const channel = await held;
    if (channel === undefined) return;
    const wanted = withUnsyncedParents(folders, synced);
    try {
      await settleAll([...wanted].map((folder) => syncFolder(channel.client, `${path}/${folder}`)));
      for (const folder of wanted) synced.add(folder);
    } catch (error) {
      // A status means that the folder was removed or cannot be opened: only its names are not durable. Anything else: the channel failed.
      if (!isStatus(error)) {
        if (open === held) open = undefined;
        throw error;
      }
      log('warning', `cannot sync a folder at the destination: ${error.message}`);
    }
  };

  const giveWay = async (): Promise<boolean> => {
    const channel = await open?.catch(() => undefined);
    if (channel === undefined) return false;
    open = undefined;
    channel.client.destroy();
    await channel.ended;
    return true;
  };

  const syncAlone = (folders: ReadonlySet<Name>, { alone }: Alone): Promise<void> =>
    alone(async () => {
      await syncOver(folders);
      await giveWay();
    });

  /** Servers close a channel that nobody has used for a while (ChannelTimeout): then on a new one. */
  const syncOnAny = async (folders: ReadonlySet<Name>): Promise<void> => {
    const wasOpen = open !== undefined;
    try {
      await syncOver(folders);
    } catch (error) {
      if (!wasOpen || master.closed || isEnding() || !isHungUp(error)) throw error;
      await syncOver(folders);
    }
  };

  return {
    giveWay,
    close: () => void giveWay(),
    sync: async (folders, mustEnd) => {
      if (!durable) return;
      if (mustEnd !== undefined) isEnding = mustEnd;
      if (exclusive?.exclusive === true) return syncAlone(folders, exclusive);
      try {
        await syncOnAny(folders);
      } catch (error) {
        if (exclusive === undefined || !SESSION_REFUSED.test(errorMessage(error))) throw error;
        open = undefined;
        await syncAlone(folders, exclusive);
      }
    },
  };
};

interface OpenNamesOptions {
  readonly log: TransportContext['log'];
  readonly exclusive: Alone | undefined;
  readonly limits: SilenceLimits;
  readonly isEnding: () => boolean;
}

/** undefined where the server has no fsync over SFTP (logged). */
const openNames = async (
  master: Master,
  { log, exclusive, limits, isEnding }: OpenNamesOptions,
): Promise<NamesChannel | undefined> => {
  try {
    const opened = await openWithin(master, limits.allMs);
    destroyWhenSilent(opened.client, () => (isEnding() ? SILENCE_AT_END : limits));
    if (opened.client.has(Extension.FSYNC)) return opened;
    opened.client.destroy();
    log('warning', 'the server has no fsync over SFTP: file names may be lost if its power fails');
  } catch (error) {
    if (exclusive?.exclusive === false && SESSION_REFUSED.test(errorMessage(error))) throw error;
    // A lost connection is reported by the next run.
    if (!master.closed) {
      log(
        'warning',
        `the server has no SFTP beside rsync (${errorMessage(error)}): content is on stable storage, but file names may be lost if its power fails`,
      );
    }
  }
  return undefined;
};

const destroyWhenSilent = (client: SftpClient, limits: () => SilenceLimits): void => {
  const silence = new Silence();
  const timer = setInterval(() => {
    const silentMs = silence.tooLong([client], limits(), performance.now());
    if (silentMs !== undefined)
      client.destroy(`the server has not answered for ${Math.round(silentMs / 1000)} s, though it was asked`);
    if (client.closed) clearInterval(timer);
  }, WATCH_EVERY_MS);
  timer.unref();
};

/** By the server, and not for its silence, which another channel would share. */
const isHungUp = (error: unknown): boolean =>
  error instanceof ChannelClosedError && error.message.startsWith('the SFTP channel was closed');

/** A server may start what says nothing. */
const openWithin = async (master: Master, limitMs: number): Promise<NamesChannel> => {
  const { duplex, ended } = openSftpChannel(master.socket);
  const timer = setTimeout(() => duplex.destroy(new Error(`no answer for ${Math.round(limitMs / 1000)} s`)), limitMs);
  try {
    return { client: await openSftpClient(duplex), ended };
  } finally {
    clearTimeout(timer);
  }
};

/** One that is refused does not keep the others from being waited for. @throws the gravest failure */
const settleAll = async (syncs: readonly Promise<void>[]): Promise<void> => {
  const results = await Promise.allSettled(syncs);
  const failed = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  const [first] = failed.toSorted((a, b) => Number(isStatus(a.reason)) - Number(isStatus(b.reason)));
  if (first !== undefined) throw first.reason;
};

const isStatus = (error: unknown): error is SftpStatusError => error instanceof SftpStatusError;

const withUnsyncedParents = (folders: ReadonlySet<Name>, synced: ReadonlySet<Name>): ReadonlySet<Name> =>
  new Set([...folders].flatMap((folder) => [folder, ...(synced.has(folder) ? [] : above(folder))]));

/** Every parent: "DC1/a/b" → "DC1/a", "DC1", "". */
const above = (folder: Name): Name[] => {
  if (folder === '') return [];
  const parent = folderOf(folder);
  return [parent, ...above(parent)];
};
