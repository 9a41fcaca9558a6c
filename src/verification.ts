import type { BigIntStats } from 'node:fs';
import { createBudget } from './budget.ts';
import type { Config } from './config.ts';
import type { Name } from './name.ts';
import type { MarkRecord } from './record.ts';
import type { Discrepancy, ExpectedFile, Transport } from './transport.ts';

/** Checks files at every destination while a listing goes on, in batches. */
export interface Verification {
  /** A file that is sent. A promise holds the listing back. */
  add(path: Name, stats: BigIntStats): Promise<void> | undefined;
  /** What is missing or different, after all batches. */
  end(): Promise<Discrepancy[]>;
}

export interface VerificationOptions {
  readonly root: Name;
  readonly directory: Name;
  readonly record: MarkRecord;
  readonly destinations: readonly Transport[];
  /** contract.md §6: `sent` what this process delivered, `all` every file, `checksum` every file's content, `off`. */
  readonly level: Config['verify'];
  readonly signal: AbortSignal;
}

const FILES_A_BATCH = 1000;
const BATCHES_AT_ONCE = 8;

export const createVerification = ({
  root,
  directory,
  record,
  destinations,
  level,
  signal,
}: VerificationOptions): Verification => {
  const atOnce = createBudget(() => BATCHES_AT_ONCE);
  const running: Promise<Discrepancy[]>[] = [];
  let batch: ExpectedFile[] = [];

  const verify = async (files: readonly ExpectedFile[]): Promise<Discrepancy[]> => {
    try {
      const found = await Promise.all(
        destinations.map((transport) => transport.verify(files, { checksum: level === 'checksum' }, signal)),
      );
      return found.flat();
    } finally {
      atOnce.give(1);
    }
  };
  const flush = async (): Promise<void> => {
    const files = batch;
    batch = [];
    if (files.length === 0) return;
    await atOnce.take(1);
    const result = verify(files);
    result.catch(() => undefined); // `end` tells of it.
    running.push(result);
  };
  return {
    add: (path, stats) => {
      if (level === 'off' || (level === 'sent' && !record.isNew(stats, path))) return undefined;
      const targetPath = `${directory}/${path}`;
      batch.push({ sourcePath: `${root}/${targetPath}`, targetPath, size: stats.size, mtimeNs: stats.mtimeNs });
      return batch.length >= FILES_A_BATCH ? flush() : undefined;
    },
    end: async () => {
      await flush();
      return (await Promise.all(running)).flat();
    },
  };
};
