import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isCoarse } from '../../core/clock-tick.ts';
import { systemErrorCode } from '../../errors.ts';
import { showName, TransportError, type Name, type OutgoingFile, type TransportContext } from '../../transport.ts';
import { parentOf } from './folders.ts';
import { joined, largest, type Range } from './ranges.ts';
import { stateKey, type TemporaryNames } from './temporary-names.ts';
import { makeFolders } from '../../host/make-folders.ts';
import { removeIfPossible } from '../../host/remove.ts';

/** So many parts of a file are noted, the largest ones: a checkpoint stays small. */
const MAX_RANGES = 64;

/** The folder of them, in a state folder. */
export const checkpointsIn = ({ stateFolder }: Pick<TransportContext, 'stateFolder'>): string =>
  `${stateFolder}/checkpoints`;

/** What a later attempt, or a later run, continues with. */
interface Checkpoint {
  /** The temporary file's name, in the folder of its file. */
  readonly temporary: string;
  /** What of it is on the server's stable storage. */
  readonly known: readonly Range[];
  /** Of the file, below the destination's path. */
  readonly folder: Name;
}

/** One attempt to send a big file. Its temporary file is written by no other attempt, of whatever run. */
export interface Attempt {
  readonly temporary: string;
  /** No other attempt has written to it: it does not exist. */
  readonly isNew: boolean;
  /** What of the temporary file is known to equal the source, and on the server's stable storage. */
  readonly known: readonly Range[];
  /**
   * Notes the temporary file, so that it survives a restart. Where the state folder cannot be written, nothing will resume.
   * @throws TransportError where another run has taken it over
   */
  save(known: readonly Range[]): void;
  /** @throws TransportError `network` where another run has taken the temporary file over: it is not to be published */
  checkOurs(): void;
  /** It failed: a later attempt with the same file in the same state continues. */
  leave(): void;
  /** Nothing will continue. */
  clear(): void;
}

/**
 * The temporary files of big files that were cut off: one file each in the state folder, named `KEY-ID` after the state of the source
 * file and the attempt. An attempt takes an earlier one over by renaming its checkpoint, which succeeds for one run only.
 */
export class Checkpoints {
  readonly #folder: string;
  readonly #names: TemporaryNames;
  #left: Map<string, Checkpoint> | undefined;

  /** @param folder is made on first use */
  constructor(folder: string, names: TemporaryNames) {
    this.#folder = folder;
    this.#names = names;
  }

  /** Takes over what an attempt with this file in this state has left, or begins anew. */
  begin(file: OutgoingFile): Attempt {
    const id = this.#names.nextId();
    const name = `${stateKey(file)}-${id}`;
    const earlier = this.#takeOver(name);
    // On a clock of whole seconds an equal ctime does not prove that the source is the same: all is read back.
    const known = earlier === undefined || isCoarse(file.identity.ctimeNs) ? [] : earlier.known;
    return this.#attempt(file, name, { temporary: this.#names.of(id), ...earlier, known }, earlier !== undefined);
  }

  /** Forgets what was left of files in these folders: their temporary files are removed. */
  forget(folders: Iterable<Name>): void {
    const left = this.#load();
    const tidied = new Set(folders);
    for (const [name, { folder }] of left) {
      if (!tidied.has(folder)) continue;
      left.delete(name);
      removeIfPossible(`${this.#folder}/${name}`);
    }
  }

  #attempt(
    file: OutgoingFile,
    name: string,
    { temporary, known }: Pick<Checkpoint, 'temporary' | 'known'>,
    isTakenOver: boolean,
  ): Attempt {
    const path = `${this.#folder}/${name}`;
    const folder = parentOf(file.targetPath);
    let isSaved = isTakenOver;
    let last: Checkpoint = { temporary, known, folder };
    const checkOurs = (): void => {
      if (isSaved && !existsSync(path))
        throw new TransportError(
          'network',
          `Did not send "${showName(file.targetPath)}": another isocket has taken over its temporary file`,
        );
    };
    const save = (durable: readonly Range[]): void => {
      checkOurs();
      last = { temporary, known: largest(durable, MAX_RANGES), folder };
      isSaved = writeCheckpoint(path, last) || isSaved;
    };
    return {
      temporary,
      isNew: !isTakenOver,
      known,
      checkOurs,
      save,
      leave: () => {
        if (!isSaved) save(known);
        this.#load().set(name, last);
      },
      clear: () => {
        if (isSaved) removeIfPossible(path);
      },
    };
  }

  /** Renames an earlier attempt's checkpoint to this name, which begins with the same key. */
  #takeOver(name: string): Checkpoint | undefined {
    const left = this.#load();
    const prefix = name.slice(0, name.indexOf('-') + 1);
    for (const [earlier, checkpoint] of left) {
      if (!earlier.startsWith(prefix)) continue;
      left.delete(earlier);
      try {
        renameSync(`${this.#folder}/${earlier}`, `${this.#folder}/${name}`);
        return checkpoint;
      } catch (error) {
        if (systemErrorCode(error) === undefined) throw error; // ENOENT: another run was first.
      }
    }
    return undefined;
  }

  /** Read once: what is added later is of this run. */
  #load(): Map<string, Checkpoint> {
    if (this.#left !== undefined) return this.#left;
    const names = existsSync(this.#folder) ? readdirSync(this.#folder) : [];
    const left = names.flatMap((name) => {
      const path = `${this.#folder}/${name}`;
      const checkpoint = name.endsWith('.new') ? undefined : readCheckpoint(path);
      if (checkpoint !== undefined) return [[name, checkpoint] as const];
      removeIfPossible(path);
      return [];
    });
    return (this.#left = new Map(left));
  }
}

/** False where the state folder cannot be written. */
const writeCheckpoint = (path: string, checkpoint: Checkpoint): boolean => {
  try {
    makeFolders(dirname(path), 0o700);
    writeFileSync(`${path}.new`, JSON.stringify(asWritten(checkpoint)), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
};

/** `bytes` is all that versions before `ranges` wrote and read: how much is there from the start. */
const asWritten = ({ temporary, known, folder }: Checkpoint) => ({
  temporary,
  bytes: known[0]?.start === 0 ? known[0].end : 0,
  folder,
  ranges: known.map(({ start, end }) => [start, end] as const),
});

/** undefined where it is not whole. */
const readCheckpoint = (path: string): Checkpoint | undefined => {
  try {
    const { temporary, bytes, folder, ranges } = JSON.parse(readFileSync(path, 'utf8')) as Partial<
      ReturnType<typeof asWritten>
    >;
    if (typeof temporary !== 'string' || typeof bytes !== 'number' || typeof folder !== 'string') return undefined;
    const known = readRanges(ranges ?? (bytes > 0 ? [[0, bytes]] : []));
    return known && { temporary, known, folder };
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};

/** undefined where it is no list of ranges in their order. */
const readRanges = (written: unknown): readonly Range[] | undefined => {
  if (!Array.isArray(written)) return undefined;
  const known: Range[] = [];
  for (const pair of written as readonly unknown[]) {
    const [start, end] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (!isOffset(start) || !isOffset(end) || start >= end || start < (known.at(-1)?.end ?? 0)) return undefined;
    known.push({ start, end });
  }
  return joined(known);
};

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
