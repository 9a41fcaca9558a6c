import { randomBytes } from 'node:crypto';
import { HashTable } from '../core/hash-table.ts';
import { createRecordHash, type DestinationKey } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/record.ts';
import type { Name } from '../name.ts';
import type { Verification } from '../verify/verification.ts';
import type { ListingVisitor } from './list-directory.ts';

const NO_DESTINATION: DestinationKey = [0, 0];
const CURE =
  'and another file has the same name but for case, Unicode form or a dot at its end: where the destination takes them for one, rename it';
const ENDS_IN_DOT_OR_BLANK = /[. ]+(?=\/|$)/g;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}+/gu;
const ASCII = /^[ -~]*$/;

/**
 * A path as the least exact file systems know it: without case (exFAT, NTFS, APFS, a casefold folder of ext4), in one form of Unicode
 * (HFS+), without characters that show nothing (casefold, HFS+), without dots and blanks at the end of a name (FAT). Two paths that are
 * equal so may be one file at a destination.
 */
export const looseForm = (path: Name): string =>
  (ASCII.test(path) ? path.toLowerCase() : foldCase(path)).replace(ENDS_IN_DOT_OR_BLANK, '');

/** Some take two small letters with one capital for one, a final sigma and another, and some "ß" and "ss": by way of the capitals. */
const foldCase = (path: Name): string =>
  path.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC').replace(IGNORABLE, '');

/**
 * Finds the paths of one directory that differ in case or the like only, with 12 to 23 bytes for each path that is not its own loose form:
 * those that are, the record knows.
 */
export class TwinNames {
  readonly #record: Pick<MarkRecord, 'knows'>;
  readonly #seen = new HashTable({ values: false });
  readonly #hash = createRecordHash(randomBytes(8));
  /** Loose forms that more than one path has. */
  readonly #shared = new Set<string>();

  constructor(record: Pick<MarkRecord, 'knows'>) {
    this.#record = record;
  }

  /** Each path once. */
  add(path: Name): void {
    const form = looseForm(path);
    const isFoundByRecord = form === path && this.#record.knows(path);
    if (isFoundByRecord && this.#seen.size === 0) return;
    if (form !== path && this.#record.knows(form)) this.#shared.add(form);
    const [key0, key1] = this.#hash.name(form, NO_DESTINATION);
    if (this.#seen.has(key0, key1)) this.#shared.add(form);
    else if (!isFoundByRecord) this.#seen.set(key0, key1);
  }

  get areThere(): boolean {
    return this.#shared.size > 0;
  }

  /**
   * What a destination holds for one file has the content that was sent last, under both names, and the other one may have been replaced
   * after it was checked. So the content of all of them is compared, when nothing is sent any more.
   */
  async compare(
    list: (visitor: ListingVisitor) => Promise<unknown>,
    verification: Verification | undefined,
    refuted: Map<Name, string>,
  ): Promise<void> {
    const isShared = (path: Name): boolean => this.#shared.has(looseForm(path));
    await list({
      sent: (path, { size, mtimeNs }) => (isShared(path) ? verification?.add({ path, size, mtimeNs }) : undefined),
    });
    await verification?.end();
    for (const [path, detail] of refuted) if (isShared(path)) refuted.set(path, `${detail}, ${CURE}`);
  }
}
