import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** mulberry32: a small generator that gives the same sequence on every machine. */
export const createRandom = (seed: number) => {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (limit: number): number => Math.floor(next() * limit) };
};

export type Random = ReturnType<typeof createRandom>;

/** Few folders: each takes an inotify instance of the daemon that watches it. */
const FOLDERS = ['', '', '', '', 'sub/', 'sub/', 'late/', 'late/deep/'] as const;

/** Programs of every habit that write into one directory (field notes: watching, §3.3). Returns how many files were made. */
export const churn = async (directory: string, random: Random, operations: number): Promise<number> => {
  mkdirSync(`${directory}/sub`, { recursive: true });
  const files: string[] = [];
  let made = 0;
  const content = (): Buffer => Buffer.alloc(1 + random.below(20_000), random.below(256));
  const fresh = (): string => {
    made += 1;
    const folder = `${directory}/${FOLDERS[random.below(FOLDERS.length)] ?? ''}`;
    mkdirSync(folder, { recursive: true });
    files.push(`${folder}file-${made}`);
    return `${folder}file-${made}`;
  };
  const some = (): string => files[random.below(files.length)] ?? fresh();
  const old = new Date(Date.now() - 86_400_000);
  const habits: readonly ((path: () => string) => void | Promise<void>)[] = [
    (path) => writeFileSync(path(), content()),
    (path) => writeFileSync(path(), content(), { mode: 0o664 }),
    (path) => {
      // Created g+w elsewhere and renamed into place: it looks marked, and its ctime differs from its mtime.
      const [temporary, final] = [`${directory}/.temporary`, path()];
      writeFileSync(temporary, content());
      chmodSync(temporary, 0o664);
      renameSync(temporary, final);
    },
    (path) => {
      const final = path();
      writeFileSync(final, content());
      chmodSync(final, 0o664);
      utimesSync(final, old, old);
    },
    async (path) => {
      const descriptor = openSync(path(), 'w');
      writeSync(descriptor, content());
      await delay(random.below(300));
      writeSync(descriptor, content());
      closeSync(descriptor);
    },
    (path) => {
      const from = some();
      const to = path();
      if (existsSync(from)) linkSync(from, to);
      else writeFileSync(to, content());
    },
    (path) => {
      // A folder that is filled elsewhere and moved in: the kernel reports the folder only, not its files.
      const folder = `${directory}/moved-${made}`;
      if (random.below(20) > 0 || existsSync(folder)) return writeFileSync(path(), content());
      const staging = mkdtempSync(`${dirname(dirname(directory))}/staging-`);
      chmodSync(staging, 0o755);
      for (const name of ['one', 'two']) {
        writeFileSync(`${staging}/${name}`, content());
        chmodSync(`${staging}/${name}`, 0o664);
        files.push(`${folder}/${name}`);
        made += 1;
      }
      renameSync(staging, folder);
    },
  ];
  const afterthoughts: readonly ((path: string) => void)[] = [
    (path) => appendFileSync(path, content()),
    (path) => writeFileSync(path, content()),
    (path) => truncateSync(path, 1),
    (path) => {
      appendFileSync(path, content());
      utimesSync(path, old, old);
    },
    (path) => copyFileSync(some(), `${path}-copy`),
    (path) => chmodSync(path, 0o664),
    (path) => rmSync(path),
  ];
  for (let count = 0; count < operations; count += 1) {
    const path = some();
    const later = random.below(3) === 0 && existsSync(path);
    if (later) {
      try {
        afterthoughts[random.below(afterthoughts.length)]?.(path);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    } else await habits[random.below(habits.length)]?.(fresh);
    if (random.below(10) === 0) await delay(random.below(30));
  }
  return made;
};
