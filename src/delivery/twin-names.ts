import { randomBytes } from 'node:crypto';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { HashTable } from '../core/hash-table.ts';
import { createRecordHash, type DestinationKey } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import { looseForm, type Name } from '../name.ts';
import type { LocalFile } from '../verify/folder-check.ts';
import type { Verification } from '../verify/verification.ts';
import { wholeSeconds } from '../identity.ts';
import { walk } from '../source/scanner.ts';
import type { ExpectedFile } from '../transport.ts';
import type { SiteContext } from './context.ts';
import type { ListingVisitor } from './list-directory.ts';

type Site = Pick<SiteContext, 'config' | 'isExcluded' | 'sender' | 'signal'>;

const NO_DESTINATION: DestinationKey = [0, 0];
const CURE =
  'and another file, or its directory, has the same name but for case, Unicode form or a dot at its end: where the destination takes them for one, rename it';
const MOST_ASKED = 3;

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
   * after it was checked. So the content of all of them is compared, when nothing is sent any more. A destination that keeps what it read
   * by name (FUSE, network file systems) may show both contents all the same: it is asked for another spelling, which it has not read.
   */
  async compare(
    list: (visitor: ListingVisitor) => Promise<unknown>,
    verification: Verification | undefined,
    refuted: Map<Name, string>,
    directory: Pick<DirectorySnapshot, 'name' | 'twins'>,
    site: Site,
  ): Promise<void> {
    if (verification === undefined) return;
    const { name, twins: others = [] } = directory;
    const [isInOfCase, isInOfForm] = [true, false].map((differInCase) =>
      formsIn(
        others.filter((other) => (other.toLowerCase() === name.toLowerCase()) === differInCase),
        site,
      ),
    ) as [(path: Name) => boolean, (path: Name) => boolean];
    const isShared = (path: Name): boolean => this.#shared.has(looseForm(path)) || isInOfForm(path);
    const groups = new Map<string, LocalFile[]>();
    const inBoth: LocalFile[] = [];
    await list({
      sent: (path, { size, mtimeNs }) => {
        const file = { path, size, mtimeNs };
        if (inBoth.length < MOST_ASKED && isInOfCase(path)) inBoth.push(file);
        if (!isShared(path)) return undefined;
        const group = groups.get(path.toLowerCase());
        if (group === undefined) groups.set(path.toLowerCase(), [file]);
        else group.push(file);
        return verification.add(file);
      },
    });
    await verification.end();
    const twins = [...groups.values()].filter((group) => group.length > 1);
    const refute = (path: Name): undefined => {
      refuted.set(path, refuted.get(path) ?? 'it has the place of another file there');
    };
    if (await areCaseless([...twins.slice(0, MOST_ASKED).flat(), ...inBoth], name, site)) {
      for (const { path } of twins.flat()) refute(path);
      // Not compared before: where names are exact that would be all of two directories.
      if (inBoth.length > 0) await list({ sent: (path) => (isInOfCase(path) ? refute(path) : undefined) });
    }
    for (const [path, detail] of refuted)
      if (isShared(path) || isInOfCase(path)) refuted.set(path, `${detail}, ${CURE}`);
  }
}

/** Whether a path of another directory is, in its loose form, that of a file in one of these. They are walked when first asked. */
const formsIn = (directories: readonly Name[], { config, isExcluded }: Site): ((path: Name) => boolean) => {
  let forms: Set<string> | undefined;
  const read = (): Set<string> => {
    const found = new Set<string>();
    for (const one of directories)
      for (const entry of walk(`${config.source.root}/${one}`, isExcluded))
        if (entry.kind === 'file') found.add(looseForm(entry.path));
    return found;
  };
  return (path) => directories.length > 0 && (forms ??= read()).has(looseForm(path));
};

/** Does a destination have one of them under a spelling that the source does not have? It holds for all or for none. */
const areCaseless = async (
  twins: readonly LocalFile[],
  directory: Name,
  { config, sender, signal }: Site,
): Promise<boolean> => {
  const byTarget = new Map<Name, ExpectedFile>();
  for (const { path, size, mtimeNs } of twins) {
    const targetPath = otherCase(`${directory}/${path}`);
    if (sender.stat(targetPath) !== undefined) continue;
    const sourcePath = `${config.source.root}/${directory}/${path}`;
    byTarget.set(targetPath, { sourcePath, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) });
  }
  const files = [...byTarget.values()];
  if (files.length === 0) return false;
  const answers = sender.destinations.map((transport) => transport.verify(files, { checksum: false }, signal));
  // Whatever stands under such a name is one of theirs: the other's, maybe, with another size.
  return (await Promise.all(answers)).some(
    (discrepancies) => discrepancies.filter(({ kind }) => kind === 'missing').length < files.length,
  );
};

/** Every letter in the other case: "Sub/file" → "sUB/FILE". */
export const otherCase = (path: Name): Name => {
  const swap = (letter: string): string =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return Array.from(path, swap).join('');
};
