import type { Settings, Step, StepKind } from './steps.ts';
import type { World } from './world.ts';

const fs = process.getBuiltinModule('node:fs');

const DIRECTORIES = ['DC1', 'DC2', 'DC3', 'DC10'];
const FOLDERS = ['x', 'x.tmp', 'y'];
const FILES = ['a', 'b', 'c'];
const BLOCK = 8;
export const SUPERSEDED_MS = 30_000;

interface Place {
  /** Absolute. */
  readonly path: string;
  readonly directory: string;
}

/** When something in a directory changed last, by both clocks. */
interface LastChange {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly clockSettings: number;
}

/** What a watcher hears of what the parser does, by absolute paths. */
export interface ParserEvents {
  /** A directory was moved or removed as a whole. */
  readonly moved: (directory: string) => void;
  /** Something has another name now. */
  readonly renamed: (from: string, to: string) => void;
  /** A file was closed by its writer, or renamed into its place. */
  readonly closed: (path: string) => void;
}

/** A parser with every habit that the contract allows; all that it does is seen by the program at once. */
export class Parser {
  readonly #world: World;
  readonly #settings: Settings;
  readonly #heard: ParserEvents;
  /** Keyed by the real inode number of the directory. */
  readonly #changes = new Map<number, LastChange>();
  /** Size and second of each content, where claims are compared by them. */
  readonly #likenesses = new Map<string, string>();
  #blocks = 0;
  #processes = 5_000_000;
  #directories = 0;
  #movedOut = 0;

  constructor(world: World, settings: Settings, heard: ParserEvents) {
    this.#world = world;
    this.#settings = settings;
    this.#heard = heard;
  }

  do({ kind, what, how }: Step): void {
    const act = this.#acts[kind];
    act?.(what, how);
  }

  /** Ends everything that is open, and closes every directory. */
  end(): void {
    for (const pid of [...this.#world.writers.keys()]) this.#release(pid);
    const unfinished = this.#directoryPaths().filter((path) => !fs.existsSync(`${path}/finished.watch`));
    for (const path of unfinished) if (!this.#settings.endsSuperseded || unfinished.length === 0) this.#finish(path);
    if (this.#settings.endsSuperseded) {
      this.#world.clock.advance(SUPERSEDED_MS + 1000);
      const newest = `${this.#world.root}/DC99`;
      if (!fs.existsSync(newest)) this.#makeFolder(newest);
    }
  }

  readonly #acts: Partial<Record<StepKind, (what: number, how: number) => void>> = {
    'make-directory': (what) => {
      const path = `${this.#world.root}/${at(DIRECTORIES, what)}`;
      if (fs.existsSync(path)) return;
      this.#makeFolder(path);
      this.#directories += 1;
      this.#noteChange(path);
    },
    'make-folder': (what, how) =>
      this.#inDirectory(what, (directory) => {
        const path = `${directory}/${at(FOLDERS, how)}`;
        if (!fs.existsSync(path)) this.#makeFolder(path);
      }),
    write: (what, how) =>
      this.#inDirectory(what, (directory) => {
        const folders = [directory, ...this.#folders(directory)];
        const path = `${at(folders, what >> 2)}/${at(FILES, how)}`;
        if (fs.existsSync(path)) {
          if (this.#mayChangeAllNames(path)) this.#change(path, 1 + (how % 3), { from: 0 });
        } else this.#create(path, 1 + ((how >> 2) % 3), this.#mode(how));
      }),
    append: (what, how) =>
      this.#inFile(what, ({ path }) => this.#change(path, 1 + (how % 2), { from: fs.statSync(path).size / BLOCK })),
    rewrite: (what) =>
      this.#inFile(what, ({ path }) => this.#change(path, fs.statSync(path).size / BLOCK, { from: 0 })),
    'rewrite-keeping-times': (what) =>
      this.#inFile(what, ({ path }) =>
        this.#change(path, fs.statSync(path).size / BLOCK, { from: 0, keepsTime: true }),
      ),
    'append-keeping-times': (what) =>
      this.#inFile(what, ({ path }) =>
        this.#change(path, 1, { from: fs.statSync(path).size / BLOCK, keepsTime: true }),
      ),
    'set-time': (what, how) =>
      this.#inFile(what, ({ path }) => this.#setTime(path, BigInt(1 + (how % 4)) * 1_600_000_000_000_000_000n + 5n)),
    open: (what) => this.#inFile(what, ({ path }) => this.#open(path, false), { changes: false }),
    map: (what) => this.#inFile(what, ({ path }) => this.#open(path, true), { changes: false }),
    store: (what) => {
      const pid = at([...this.#world.writers.keys()], what);
      if (pid !== undefined) this.#store(pid);
    },
    release: (what) => {
      const pid = at([...this.#world.writers.keys()], what);
      if (pid !== undefined) this.#release(pid);
    },
    replace: (what, how) =>
      this.#inFile(what, ({ path }) => {
        const old = this.#inodeAt(path);
        const temporary = `${this.#world.outside}/replacement`;
        this.#create(
          temporary,
          fs.statSync(path).size / BLOCK + (how % 2),
          this.#mode(how),
          how % 4 < 2 ? old.mtimeNs : undefined,
        );
        this.#rename(temporary, path);
      }),
    'rename-file': (what, how) =>
      this.#inFile(what, ({ path, directory }) => {
        const folders = [directory, ...this.#folders(directory)];
        this.#rename(path, `${at(folders, how >> 2)}/${at(FILES, how)}`);
      }),
    'rename-folder': (what, how) =>
      this.#inDirectory(what, (directory) => {
        const from = at(this.#folders(directory), what >> 2);
        const to = `${directory}/${at(FOLDERS, how)}`;
        if (from !== undefined && !fs.existsSync(to)) this.#rename(from, to);
      }),
    'exchange-files': (what, how) =>
      this.#inFile(what, ({ path, directory }) => {
        const other = at(this.#files(directory), how);
        if (other !== undefined && other !== path) this.#exchange(path, other);
      }),
    'exchange-folders': (what) =>
      this.#inDirectory(what, (directory) => {
        const [a, b] = this.#folders(directory);
        if (a !== undefined && b !== undefined) this.#exchange(a, b);
      }),
    link: (what, how) =>
      this.#inFile(what, ({ path }) =>
        this.#inDirectory(how, (directory) => {
          const to = `${directory}/${at(FILES, how >> 2)}`;
          if (fs.existsSync(to)) return;
          fs.linkSync(path, to);
          this.#world.touchStatus(inodeOf(to));
          this.#touchFolder(to);
          this.#likeness(to);
        }),
      ),
    remove: (what) => this.#inFile(what, ({ path }) => this.#remove(path)),
    'remove-folder': (what) =>
      this.#inDirectory(what, (directory) => {
        const folder = at(this.#folders(directory), what >> 2);
        if (folder !== undefined) this.#removeTree(folder);
      }),
    finish: (what) =>
      this.#inDirectory(what, (directory) => {
        const files = new Set(this.#files(directory).map(inodeOf));
        for (const [pid, { descriptor }] of this.#world.writers)
          if (files.has(fs.fstatSync(descriptor).ino)) this.#release(pid);
        this.#finish(directory);
      }),
    'rename-directory': (what, how) => {
      const from = at(this.#directoryPaths(), what);
      const to = `${this.#world.root}/${at(DIRECTORIES, how)}`;
      if (from === undefined || fs.existsSync(to)) return;
      this.#heard.moved(from);
      this.#rename(from, to);
      this.#likenessesBelow(to);
    },
    'exchange-directories': (what, how) => {
      const [from, to] = [at(this.#directoryPaths(), what), at(this.#directoryPaths(), how)];
      if (from === undefined || to === undefined || from === to) return;
      this.#heard.moved(from);
      this.#heard.moved(to);
      this.#exchange(from, to);
    },
    'move-out': (what) => {
      const from = at(this.#directoryPaths(), what);
      if (from === undefined) return;
      this.#heard.moved(from);
      this.#movedOut += 1;
      this.#rename(from, `${this.#world.outside}/moved-${this.#movedOut}`);
    },
    'move-in': (what, how) => {
      const from = at(
        fs
          .readdirSync(this.#world.outside)
          .filter((name) => name.startsWith('moved-'))
          .toSorted(),
        what,
      );
      const to = `${this.#world.root}/${at(DIRECTORIES, how)}`;
      if (from !== undefined && !fs.existsSync(to)) this.#rename(`${this.#world.outside}/${from}`, to);
    },
    'remove-directory': (what) => {
      const path = at(this.#directoryPaths(), what);
      if (path === undefined) return;
      this.#heard.moved(path);
      this.#removeTree(path);
    },
  };

  #directoryPaths(): string[] {
    return fs
      .readdirSync(this.#world.root)
      .toSorted()
      .map((name) => `${this.#world.root}/${name}`);
  }

  #folders(directory: string): string[] {
    return FOLDERS.map((name) => `${directory}/${name}`).filter((path) => fs.existsSync(path));
  }

  #files(directory: string): string[] {
    return [directory, ...this.#folders(directory)].flatMap((folder) =>
      FILES.map((name) => `${folder}/${name}`).filter((path) => fs.existsSync(path)),
    );
  }

  /**
   * contract.md §2 and §3: it writes no more into what it closed, nor into a directory that was superseded once that was quiet for
   * `source.superseded`.
   */
  #mayChange(directory: string): boolean {
    if (fs.existsSync(`${directory}/finished.parse`) || fs.existsSync(`${directory}/finished.watch`)) return false;
    if (this.#directories < 2) return true;
    const last = this.#changes.get(inodeOf(directory));
    const { monotonicMs, wallMs, settings } = this.#world.clock;
    if (last === undefined || last.clockSettings !== settings) return false;
    return monotonicMs - last.monotonicMs < SUPERSEDED_MS && wallMs - last.wallMs < SUPERSEDED_MS;
  }

  #noteChange(directory: string): void {
    const { monotonicMs, wallMs, settings } = this.#world.clock;
    this.#changes.set(inodeOf(directory), { monotonicMs, wallMs, clockSettings: settings });
  }

  /** @param changes false: it opens a file only, which does not make the directory less quiet */
  #inDirectory(what: number, use: (directory: string) => void, { changes = true } = {}): void {
    const directory = at(
      this.#directoryPaths().filter((path) => this.#mayChange(path)),
      what,
    );
    if (directory === undefined) return;
    use(directory);
    if (changes) this.#noteChange(directory);
  }

  #inFile(what: number, use: (place: Place) => void, { changes = true } = {}): void {
    const useFile = (directory: string): void => {
      const path = at(this.#files(directory), what >> 2);
      // Under another name it may be in a directory that the parser must leave alone.
      if (path !== undefined && this.#mayChangeAllNames(path)) use({ path, directory });
    };
    this.#inDirectory(what, useFile, { changes });
  }

  #mayChangeAllNames(path: string): boolean {
    const { ino, nlink } = fs.statSync(path);
    if (nlink === 1) return true;
    return this.#directoryPaths().every(
      (directory) => this.#mayChange(directory) || !this.#files(directory).some((other) => inodeOf(other) === ino),
    );
  }

  #inodeAt(path: string) {
    return this.#world.inode(inodeOf(path));
  }

  /** A file that is born with the mark is a claim. */
  #mode(how: number): number {
    const { hasClaims, isBornMarked = false } = this.#settings;
    return isBornMarked || (hasClaims && how % 3 === 0) ? 0o664 : 0o644;
  }

  #block(): string {
    this.#blocks += 1;
    return String(this.#blocks).padStart(BLOCK, '0');
  }

  #makeFolder(path: string): void {
    fs.mkdirSync(path);
    this.#world.inode(inodeOf(path));
    this.#touchFolder(path);
  }

  #touchFolder(path: string): void {
    const folder = path.slice(0, path.lastIndexOf('/'));
    this.#world.touch(inodeOf(folder));
  }

  #create(path: string, blocks: number, mode: number, mtimeNs?: bigint): void {
    fs.writeFileSync(path, '');
    fs.chmodSync(path, mode);
    this.#world.inode(inodeOf(path));
    this.#touchFolder(path);
    this.#change(path, blocks, { from: 0, mtimeNs });
  }

  #change(
    path: string,
    blocks: number,
    { from, keepsTime = false, mtimeNs }: { from: number; keepsTime?: boolean; mtimeNs?: bigint | undefined },
  ): void {
    const inode = this.#inodeAt(path);
    const keepsMtime = keepsTime || (mtimeNs ?? this.#world.clock.stampNs()) === inode.mtimeNs;
    if (keepsMtime && from === 0 && this.#isTakenForTheOld(path)) return;
    const kept = mtimeNs ?? (keepsTime ? inode.mtimeNs : undefined);
    const old = fs.readFileSync(path, 'latin1').slice(0, from * BLOCK);
    let content = old + Array.from({ length: blocks }, () => this.#block()).join('');
    this.#world.touch(inodeOf(path));
    if (kept !== undefined) inode.mtimeNs = kept;
    while (!this.#isUnlike(content, inode.mtimeNs)) content += this.#block();
    const descriptor = fs.openSync(path, 'r+');
    fs.ftruncateSync(descriptor, content.length);
    fs.writeSync(descriptor, content, 0);
    fs.closeSync(descriptor);
    this.#likeness(path);
    this.#closed(path);
  }

  #closed(path: string): void {
    if (path.startsWith(`${this.#world.root}/`)) this.#heard.closed(path);
  }

  /**
   * Known limits of a file that is written over with its size and mtime as they were. Between our `fstat` and the `fchmod` that
   * follows at once: `fchmod` leaves a ctime of its own. Where the clock was set back to the very tick of its last change. And, if it is marked,
   * on a kernel before 6.13, within the 10 ms of our `chmod`: the times are those that the record holds. (With whole seconds the program compares
   * the content once more.)
   */
  #isTakenForTheOld(path: string): boolean {
    const { clock, changing } = this.#world;
    if (changing === inodeOf(path)) return true;
    if (this.#inodeAt(path).ctimeNs !== clock.stampNs()) return false;
    return clock.settings > 0 || (clock.fineness === 'jiffy' && (fs.statSync(path).mode & 0o020) !== 0);
  }

  #setTime(path: string, timeNs: bigint): void {
    const inode = this.#inodeAt(path);
    const time = this.#world.clock.round(timeNs);
    if (!this.#isUnlike(fs.readFileSync(path, 'latin1'), time)) return;
    this.#world.touchStatus(inodeOf(path));
    inode.mtimeNs = time;
    this.#likeness(path);
  }

  /** Where claims are compared by size and second, contents must not be alike in them. */
  #isUnlike(content: string, mtimeNs: bigint): boolean {
    const alike = this.#likenesses.get(`${content.length} ${mtimeNs / 1_000_000_000n}`);
    return !this.#settings.hasClaims || alike === undefined || alike === content;
  }

  #likeness(path: string): void {
    const content = fs.readFileSync(path, 'latin1');
    this.#world.contents.add(content);
    this.#likenesses.set(`${content.length} ${this.#inodeAt(path).mtimeNs / 1_000_000_000n}`, content);
  }

  #likenessesBelow(directory: string): void {
    for (const path of this.#files(directory)) this.#likeness(path);
  }

  #open(path: string, isMapped: boolean): void {
    if (this.#world.writers.size > 3) return;
    this.#processes += 1;
    this.#world.writers.set(this.#processes, { descriptor: fs.openSync(path, 'r+'), isMapped, isDirty: false });
  }

  #store(pid: number): void {
    const writer = this.#world.writers.get(pid);
    if (writer === undefined) return;
    const { size, ino, nlink } = fs.fstatSync(writer.descriptor);
    if (size === 0 || nlink === 0) return;
    const directories = this.#directoryPaths().filter((directory) =>
      this.#files(directory).some((path) => inodeOf(path) === ino),
    );
    // Its process may go on for as long as it has the file open, but not in what the parser closed.
    if (
      directories.some(
        (directory) => fs.existsSync(`${directory}/finished.parse`) || fs.existsSync(`${directory}/finished.watch`),
      )
    )
      return;
    const content = Array.from({ length: size / BLOCK }, () => this.#block()).join('');
    const inode = this.#world.inode(ino);
    if (!writer.isMapped || !writer.isDirty) {
      const mtimeNs = this.#world.clock.stampNs();
      if (!this.#isUnlike(content, mtimeNs)) return;
      inode.mtimeNs = inode.ctimeNs = mtimeNs;
    } else inode.untraced = this.#world.untracedStores += 1;
    writer.isDirty = true;
    fs.writeSync(writer.descriptor, content, 0);
    this.#world.contents.add(content);
    this.#likenesses.set(`${content.length} ${inode.mtimeNs / 1_000_000_000n}`, content);
    for (const directory of directories) this.#noteChange(directory);
  }

  #release(pid: number): void {
    const writer = this.#world.writers.get(pid);
    if (writer === undefined) return;
    const { ino, nlink } = fs.fstatSync(writer.descriptor);
    const path = fs.readlinkSync(`/proc/self/fd/${writer.descriptor}`);
    fs.closeSync(writer.descriptor);
    this.#world.writers.delete(pid);
    if (nlink > 0) this.#closed(path);
    if (nlink === 0) this.#world.free(ino);
  }

  #finish(directory: string): void {
    fs.writeFileSync(`${directory}/finished.parse`, '');
    this.#touchFolder(`${directory}/finished.parse`);
  }

  #rename(from: string, to: string): void {
    if (from === to) return;
    const replaced = fs.lstatSync(to, { throwIfNoEntry: false });
    const moved = inodeOf(from);
    if (replaced?.ino === moved) return;
    fs.renameSync(from, to);
    this.#heard.renamed(from, to);
    if (replaced !== undefined) this.#unlinked(replaced.ino, replaced.nlink - 1);
    if (this.#world.options.renameMovesCtime) this.#world.touchStatus(moved);
    this.#touchFolder(from);
    this.#touchFolder(to);
    if (fs.statSync(to).isFile()) this.#closed(to);
  }

  #exchange(a: string, b: string): void {
    const between = `${this.#world.outside}/exchanged`;
    this.#rename(a, between);
    this.#rename(b, a);
    this.#rename(between, b);
  }

  #remove(path: string): void {
    const { ino, nlink } = fs.lstatSync(path);
    fs.rmSync(path);
    this.#touchFolder(path);
    this.#unlinked(ino, nlink - 1);
  }

  #unlinked(ino: number, names: number): void {
    if (names > 0) this.#world.touchStatus(ino);
    else if (![...this.#world.writers.values()].some(({ descriptor }) => fs.fstatSync(descriptor).ino === ino))
      this.#world.free(ino);
  }

  #removeTree(folder: string): void {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) this.#removeTree(path);
      else this.#remove(path);
    }
    const { ino } = fs.lstatSync(folder);
    fs.rmdirSync(folder);
    this.#touchFolder(folder);
    this.#world.free(ino);
  }
}

const inodeOf = (path: string): number => fs.lstatSync(path).ino;

/** The item that a number chooses; undefined where there is none. */
function at<T>(items: readonly T[], index: number): T | undefined;
function at<T>(items: readonly T[], index: number): T | undefined {
  return items[index % Math.max(1, items.length)];
}
