import type { BigIntStats } from 'node:fs';
import type { OutgoingFile } from '../../../src/transport.ts';
import type { Destination } from './destination.ts';
import type { World } from './world.ts';

const fs = process.getBuiltinModule('node:fs');
const MARK = 0o020;

interface Marked {
  readonly ino: number;
  /** Size and times right after the program's `chmod`. */
  readonly state: string;
  readonly destinations: readonly Destination[];
  readonly isReported: boolean;
}

/**
 * Holds the marks that the program sets against what is at the destinations (contract.md §3): a file that bears one, and that nobody
 * touched or renamed since, is there byte for byte; and a file that is about to be sent bears none.
 */
export class MarkOracle {
  readonly #world: World;
  /** By absolute path. */
  readonly #marked = new Map<string, Marked>();
  /** Under which path each inode was read last, and in which state. */
  readonly #sent = new Map<number, { readonly path: string; readonly untraced: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A file is about to be read. One that had several names keeps its mark; one that got its mark since, the program cannot know. */
  sending({ sourcePath, targetPath, identity }: OutgoingFile): void {
    const now = fs.lstatSync(sourcePath, { throwIfNoEntry: false });
    if (now !== undefined) this.#sent.set(now.ino, { path: sourcePath, untraced: this.#world.inode(now.ino).untraced });
    // The program hands over the stats that it decided by.
    const { mode, nlink } = identity as BigIntStats;
    if (now === undefined || (mode & BigInt(MARK)) === 0n || nlink > 1n) return;
    const { number, ctimeNs } = this.#world.inode(now.ino);
    if (number === identity.ino && ctimeNs === identity.ctimeNs)
      this.#world.violations.push(`${targetPath} is read with its mark on: a crash now leaves it marked`);
  }

  /**
   * It is looked at once more before it counts: a crash meanwhile leaves a mark that the record refutes. False: that mark is not of what
   * was sent under this name.
   */
  marked(path: string, destinations: readonly Destination[]): boolean {
    const ino = fs.lstatSync(path, { throwIfNoEntry: false })?.ino;
    // Renamed or removed since the program opened it.
    const sent = ino === undefined ? undefined : this.#sent.get(ino);
    if (ino === undefined || sent?.path !== path) return false;
    this.#marked.set(path, { ino, state: this.#stateOf(path, sent.untraced), destinations, isReported: false });
    return true;
  }

  /** The program says that it was sent. */
  reported(path: string): void {
    const marked = this.#marked.get(path);
    if (marked !== undefined) this.#marked.set(path, { ...marked, isReported: true });
  }

  renamed(...names: readonly string[]): void {
    for (const path of this.#marked.keys())
      if (names.some((name) => path === name || path.startsWith(`${name}/`))) this.#marked.delete(path);
  }

  /** A pass is over, or was cut off by a crash. */
  check(): void {
    for (const [path, marked] of this.#marked)
      if (this.#world.isCrashed && !marked.isReported) this.#marked.delete(path);
      else this.#check(path, marked);
  }

  #check(path: string, { ino, state, destinations }: Marked): void {
    const now = fs.lstatSync(path, { throwIfNoEntry: false });
    const isTouched = now?.ino !== ino || this.#stateOf(path) !== state || (now.mode & MARK) === 0;
    const content = isTouched ? undefined : fs.readFileSync(path, 'latin1');
    if (content === undefined) this.#marked.delete(path);
    const name = path.slice(this.#world.root.length + 1);
    for (const { label, files, liar } of content === undefined ? [] : destinations)
      // It is marked on its word.
      if (!liar.isAbout(name) && files.get(name)?.content.toString('latin1') !== content)
        this.#world.violations.push(`${name} is marked, and ${label} does not have it`);
  }

  #stateOf(path: string, untraced = this.#world.inode(fs.lstatSync(path).ino).untraced): string {
    const { ino, size } = fs.lstatSync(path);
    const { mtimeNs, ctimeNs } = this.#world.inode(ino);
    return [size, mtimeNs, ctimeNs, untraced].join(' ');
  }
}
