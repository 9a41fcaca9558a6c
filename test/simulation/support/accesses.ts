import type { StepKind } from './steps.ts';
import type { World } from './world.ts';

const fs = process.getBuiltinModule('node:fs');
const IN_OPEN_FOLDER = /^\/proc\/self\/fd\/(\d+)\/(.*)$/;

/** What the program reads and writes, between two points, of what others see as well. */
export interface Stretch {
  /** "inode 7": content, size, times and mode · "name 7/x": one entry of a folder · "names 7": all of them. */
  readonly keys: Set<string>;
  /** Something changed that outlives the process: at the source, at a destination, in the state. */
  writes: boolean;
  /** A timer moved the clock, which each change reads, or `finished.watch` was held against everything that there is. */
  readsAll: boolean;
}

const newStretch = (): Stretch => ({ keys: new Set(), writes: false, readsAll: false });

/** Tells which steps of the program commute with which acts of others. Inodes go by their simulated numbers, which no run changes. */
export class Accesses {
  /** By the point that a stretch follows; the first is before any point. */
  readonly stretches: Stretch[] = [newStretch()];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  nextPoint(): void {
    this.stretches.push(newStretch());
  }

  /** Follows a path from the root, or from an open folder. What is outside the root belongs to the program alone. */
  path(path: unknown): void {
    const inode = this.name(path);
    if (inode !== undefined) this.#read(`inode ${inode}`);
  }

  /** Follows a path and reads nothing of what it leads to. Returns its inode. */
  name(path: unknown): bigint | string | undefined {
    const text = Buffer.isBuffer(path) ? path.toString('latin1') : typeof path === 'string' ? path : '';
    const [, descriptor, inFolder] = IN_OPEN_FOLDER.exec(text) ?? [];
    const { root } = this.#world;
    let at = descriptor === undefined ? root : `/proc/self/fd/${descriptor}/.`;
    if (descriptor === undefined && text !== root && !text.startsWith(`${root}/`)) return undefined;
    const names = (inFolder ?? text.slice(root.length)).split('/').filter((name) => name !== '' && name !== '.');
    for (const name of names) {
      this.#read(`name ${this.#numberAt(at)}/${name}`);
      at += `/${name}`;
    }
    return this.#numberAt(at);
  }

  /** Reads all names of a folder. */
  names(path: unknown): void {
    const inode = this.name(path);
    if (inode !== undefined) this.#read(`names ${inode}`);
  }

  /** Makes, replaces or removes a name, which changes its folder as well. */
  changes(path: unknown): void {
    this.writes();
    if (typeof path !== 'string' || !path.includes('/')) return;
    this.path(path);
    const folder = path.slice(0, path.lastIndexOf('/'));
    this.path(folder);
    this.names(folder);
  }

  descriptor(descriptor: number): void {
    this.#read(`inode ${this.#world.inode(fs.fstatSync(descriptor).ino).number}`);
  }

  writes(): void {
    this.#now.writes = true;
  }

  readsAll(): void {
    this.#now.readsAll = true;
  }

  get #now(): Stretch {
    return this.stretches.at(-1) ?? newStretch();
  }

  #read(key: string): void {
    this.#now.keys.add(key);
  }

  #numberAt(path: string): bigint | string {
    const ino = fs.lstatSync(path, { throwIfNoEntry: false })?.ino;
    return ino === undefined ? 'none' : this.#world.inode(ino).number;
  }
}

/** What an act writes. Undefined: it ends the process, and commutes with all that leaves no trace. */
export type Footprint = readonly string[] | undefined;

/** Of the acts on "DC1", its folder "x" and the file "x/a". */
export const footprintsOf = (world: World): Partial<Record<StepKind, Footprint>> => {
  const number = (path: string): bigint => world.inode(fs.lstatSync(`${world.root}/${path}`).ino).number;
  const [directory, folder, file] = [number('DC1'), number('DC1/x'), number('DC1/x/a')];
  const changesNames = (...names: string[]): string[] => [
    `inode ${directory}`,
    `names ${directory}`,
    ...names.map((name) => `name ${directory}/${name}`),
  ];
  return {
    'rename-folder': [
      ...changesNames('x', 'x.tmp', 'y'),
      ...(world.options.renameMovesCtime ? [`inode ${folder}`] : []),
    ],
    rewrite: [`inode ${file}`],
    finish: changesNames('finished.parse'),
    crash: undefined,
  };
};

/** False: done before the stretch or after it, the act leaves the same. */
export const dependsOn = (footprint: Footprint, { keys, writes, readsAll }: Stretch): boolean =>
  readsAll || (footprint === undefined ? writes : footprint.some((key) => keys.has(key)));

/** Done one after the other, at one point: does it matter which is first? The end of the process is none of the parser's concern. */
export const commute = (a: Footprint, b: Footprint): boolean =>
  a === undefined || b === undefined || !a.some((key) => b.includes(key));
