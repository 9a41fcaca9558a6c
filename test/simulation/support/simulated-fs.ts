import type * as Fs from 'node:fs';
import { theWorld, type World } from './world.ts';

const real = process.getBuiltinModule('node:fs');
const { O_CREAT, O_DIRECTORY } = real.constants;

const PROCESS = /^\/proc\/(\d+)\/(fd|maps|map_files|mountinfo)(?:\/(.+))?$/;
const IN_OPEN_FOLDER = /^\/proc\/self\/fd\/(\d+)\//;
/** So many bytes come with one read: a file may change between two. */
const READ_BYTES = 8;
const MARK = 0o020;

/** Wraps one function: outside a simulation, and for what is no concern of it, it is the real one. */
const wrap = <Args extends unknown[], Result>(
  original: (...args: Args) => Result,
  simulated: (world: World, args: Args) => Result,
): ((...args: Args) => Result) => {
  return (...args) => {
    const world = theWorld();
    return world === undefined ? original(...args) : simulated(world, args);
  };
};

const processPath = (
  path: unknown,
): { readonly pid: number; readonly what: string; readonly below: string | undefined } | undefined => {
  const [match, pid = '', what = '', below] = (typeof path === 'string' ? PROCESS.exec(path) : undefined) ?? [];
  return match === undefined ? undefined : { pid: Number(pid), what, below };
};

const gone = (): never => {
  throw Object.assign(new Error('no such process'), { code: 'ENOENT' });
};

const writerFile = (world: World, pid: number): Fs.BigIntStats => {
  const writer = world.writers.get(pid);
  return writer === undefined ? gone() : world.see(real.fstatSync(writer.descriptor, { bigint: true }));
};

type StatSync = (path: Fs.PathLike, options?: Fs.StatSyncOptions) => Fs.Stats | Fs.BigIntStats | undefined;

const simulateStat =
  (original: StatSync) =>
  (world: World, [path, options]: Parameters<StatSync>): ReturnType<StatSync> => {
    const inProcess = processPath(path);
    if (inProcess !== undefined) {
      const stats = writerFile(world, inProcess.pid);
      return original === (real.lstatSync as StatSync) ? Object.assign(stats, { mode: 0o300 }) : stats;
    }
    world.point();
    world.accesses?.path(path);
    const stats = original(path, options);
    return stats === undefined ? undefined : world.see(stats);
  };

/** Who makes, renames or removes a name changes the folder that holds it. */
const touchFolderOf = (world: World, path: Fs.PathOrFileDescriptor): void => {
  const [, descriptor] = (typeof path === 'string' ? IN_OPEN_FOLDER.exec(path) : undefined) ?? [];
  if (descriptor !== undefined) world.touch(real.fstatSync(Number(descriptor)).ino);
};

type Change = (...args: unknown[]) => unknown;

const changing =
  (original: Change) =>
  (world: World, args: unknown[]): unknown => {
    world.point();
    world.accesses?.changes(args[0]);
    return original(...args);
  };

const statSync = wrap(real.statSync as StatSync, simulateStat(real.statSync as StatSync));
const lstatSync = wrap(real.lstatSync as StatSync, simulateStat(real.lstatSync as StatSync));

const fstatSync = wrap(
  real.fstatSync as (descriptor: number, options?: Fs.StatSyncOptions) => Fs.Stats | Fs.BigIntStats,
  (world, [descriptor, options]) => {
    world.point();
    world.accesses?.descriptor(descriptor);
    return world.see(
      (real.fstatSync as (descriptor: number, options?: Fs.StatSyncOptions) => Fs.Stats)(descriptor, options),
    );
  },
);

const openSync = wrap(real.openSync, (world, [path, flags, mode]) => {
  world.point();
  world.accesses?.name(path);
  const descriptor = real.openSync(path, flags, mode);
  world.opened.add(descriptor);
  if (typeof flags === 'number' && (flags & O_DIRECTORY) !== 0)
    world.openFolders.set(descriptor, real.readlinkSync(`/proc/self/fd/${descriptor}`));
  if (typeof flags !== 'number' || (flags & O_CREAT) !== 0) {
    world.accesses?.changes(path);
    touchFolderOf(world, path);
  }
  return descriptor;
});

const readSync = wrap(
  real.readSync as (
    descriptor: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
  ) => number,
  (world, [descriptor, buffer, offset, length, position]) => {
    world.point();
    world.accesses?.descriptor(descriptor);
    return real.readSync(descriptor, buffer, offset, Math.min(length, READ_BYTES), position);
  },
);

const closeSync = wrap(real.closeSync, (world, [descriptor]) => {
  world.opened.delete(descriptor);
  real.closeSync(descriptor);
});

// What a crashed process still has in a buffer is lost, and its descriptors are closed.
const writeSync = wrap(
  real.writeSync as (descriptor: number, buffer: Buffer, offset: number, length: number, position: number) => number,
  (world, [descriptor, buffer, offset, length, position]) => {
    if (world.isLost(descriptor)) return length;
    world.accesses?.writes();
    return real.writeSync(descriptor, buffer, offset, length, position);
  },
);

const ftruncateSync = wrap(real.ftruncateSync, (world, args) => {
  if (world.isLost(args[0])) return;
  world.accesses?.writes();
  real.ftruncateSync(...args);
});

const fchmodSync = wrap(real.fchmodSync, (world, [descriptor, mode]) => {
  world.changing = real.fstatSync(descriptor).ino;
  world.point();
  world.changing = undefined;
  world.accesses?.descriptor(descriptor);
  world.accesses?.writes();
  const before = real.fstatSync(descriptor);
  real.fchmodSync(descriptor, mode);
  world.touchStatus(before.ino);
  if ((before.mode & MARK) === 0 && (Number(mode) & MARK) !== 0)
    world.options.onMarked(real.readlinkSync(`/proc/self/fd/${descriptor}`));
});

const renameSync = wrap(real.renameSync, (world, [from, to]) => {
  world.point();
  world.accesses?.changes(from);
  world.accesses?.changes(to);
  if (typeof to !== 'string' || !to.endsWith('/finished.watch')) return real.renameSync(from, to);
  world.accesses?.readsAll();
  real.renameSync(from, to);
  touchFolderOf(world, to);
  const folder = to.slice(0, to.lastIndexOf('/'));
  const opened = world.openFolders.get(Number(folder.slice(folder.lastIndexOf('/') + 1)));
  // Moved since it was opened: no other than moved just after it was finished.
  if (opened === real.readlinkSync(folder)) world.options.onFinished(opened);
});

const rmSync = wrap(real.rmSync, (world, args) => {
  world.point();
  world.accesses?.changes(args[0]);
  real.rmSync(...args);
  touchFolderOf(world, args[0]);
});

const readdirSync = wrap(
  real.readdirSync as unknown as (path: string, options?: object) => string[],
  (world, [path, options]) => {
    if (path === '/proc') return [...world.writers.keys()].map(String);
    const inProcess = processPath(path);
    if (inProcess !== undefined) return world.writers.get(inProcess.pid)?.isMapped === false ? ['3'] : [];
    world.point();
    world.accesses?.names(path);
    return (real.readdirSync as unknown as (path: string, options?: object) => string[])(path, options);
  },
);

const readFileSync = wrap(
  real.readFileSync as unknown as (path: string, options?: unknown) => string | Buffer,
  (world, [path, options]) => {
    const inProcess = processPath(path);
    if (inProcess?.what === 'maps')
      return world.writers.get(inProcess.pid)?.isMapped === true ? '7f00-7f10 rw-s 00000000 00:01 9 /simulated\n' : '';
    if (inProcess?.what === 'mountinfo') return '1 0 0:1 / / rw - tmpfs tmpfs rw\n';
    if (path.startsWith('/proc/')) return real.readFileSync(path, options as BufferEncoding);
    world.point();
    world.accesses?.path(path);
    return (real.readFileSync as unknown as (path: string, options?: unknown) => string)(path, options);
  },
);

const readlinkSync = wrap(real.readlinkSync as (path: string) => string, (world, [path]) => {
  if (processPath(path) !== undefined) return '/simulated';
  world.point();
  world.accesses?.path(path);
  return (real.readlinkSync as (path: string) => string)(path);
});

// All names are read as the folder is opened.
const opendirSync = wrap(real.opendirSync as unknown as (path: string) => unknown, (world, [path]) => {
  world.point();
  world.accesses?.names(path);
  const entries = real.readdirSync(path, { encoding: 'buffer', withFileTypes: true }).values();
  return { readSync: () => entries.next().value ?? null, closeSync: () => undefined };
});

/** `node:fs` for the program: every call is a point at which others may act, and times are those of the simulated clock. */
export const simulatedFs = {
  ...real,
  statSync,
  lstatSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
  ftruncateSync,
  closeSync,
  fchmodSync,
  renameSync,
  rmSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  opendirSync,
  mkdirSync: wrap(real.mkdirSync as (...args: unknown[]) => unknown, changing(real.mkdirSync as Change)),
  writeFileSync: wrap(real.writeFileSync as (...args: unknown[]) => unknown, changing(real.writeFileSync as Change)),
  fsyncSync: wrap(real.fsyncSync, (world) => world.point()),
};

/** `node:timers/promises` for the program. */
export const simulatedTimers = () => {
  const timers = process.getBuiltinModule('node:timers/promises');
  return {
    ...timers,
    setTimeout: (ms?: number, value?: unknown, options?: object): Promise<unknown> =>
      theWorld()
        ?.delay(ms ?? 0)
        .then(() => value) ?? timers.setTimeout(ms, value, options),
  };
};
