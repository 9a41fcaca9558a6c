import type { BigIntStats } from 'node:fs';
import type { Report } from '../../core/events.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import type { Semaphore } from '../../core/semaphore.ts';
import type { SiteContext } from '../../delivery/context.ts';
import type { MarkRecord } from '../../marks/mark-record.ts';
import type { Transport } from '../../transport.ts';
import type { LocalFile } from '../../verify/folder-check.ts';

export interface DirectoryFillOptions {
  readonly plan: DirectoryPlan;
  /** Its only destination is the one to fill. */
  readonly site: SiteContext;
  readonly to: Transport;
  /** Of the destination to fill alone. */
  readonly record: MarkRecord;
  /** What is known of the destination to fill, where `record` is not the one on the disk. */
  readonly here: Pick<MarkRecord, 'lookUp'>;
  /** What the record says of the destinations that have the directory; undefined: nothing. */
  readonly elsewhere: Pick<MarkRecord, 'lookUp'> | undefined;
  /** Those destinations. */
  readonly others: readonly Transport[];
  /** The parser closed the directory, as its proof says. */
  readonly isClosedByParser: boolean;
  /** `finished.watch` names the destination already. */
  readonly isNamed: boolean;
  /** Sends of all directories share them. */
  readonly slots: Semaphore;
  readonly dryRun: boolean;
  /** What is there is compared by content, whatever the record says of it. */
  readonly checksum: boolean;
  readonly report: Report;
}

/** A file as the listing found it. */
export interface FoundFile extends LocalFile {
  readonly stats: BigIntStats;
}
