import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestSite } from '../test/support/site.ts';

/** The built bundle, made by `npm run build`. */
const CLI = new URL('../dist/cli.js', import.meta.url).pathname;

/** Starts it as an installed one is started: with the flags of its first line. */
export const isocketCommand = (): string[] => {
  const [shebang = ''] = readFileSync(CLI, 'utf8').split('\n');
  const [, flags = ''] = /^#!.* -S node (.*)$/.exec(shebang) ?? [];
  return [process.execPath, ...flags.split(' ').filter((flag) => flag !== ''), CLI];
};

/** Fills closed directories DC1 … under a root. */
export const fill = (root: string, directories: number, files: number, bytes: number): void => {
  for (let directory = 1; directory <= directories; directory += 1) {
    const path = `${root}/DC${directory}`;
    mkdirSync(path, { recursive: true });
    for (let file = 1; file <= files; file += 1) writeFileSync(`${path}/file-${file}`, randomBytes(bytes));
    writeFileSync(`${path}/finished.parse`, '');
  }
};

/**
 * Resets a site to unsent. What was delivered is moved aside, not deleted: ext4 does not reuse a freed inode for half a minute and
 * checks each of them whenever a file is created. After 10,000 deletions that took longer than the copying.
 */
export const beginAnew = (
  site: TestSite,
  destination: string,
  { areFilesBig = false }: { readonly areFilesBig?: boolean } = {},
): void => {
  // What is found out once in the life of a site stays: that the destination is apart from the root.
  for (const name of existsSync(site.state) ? readdirSync(site.state) : [])
    if (name !== 'apart.json') rmSync(`${site.state}/${name}`, { recursive: true, force: true });
  const aside = mkdtempSync(`${destination}-`);
  for (const directory of readdirSync(destination)) renameSync(`${destination}/${directory}`, `${aside}/${directory}`);
  if (areFilesBig) rmSync(aside, { recursive: true });
  for (const directory of readdirSync(site.root)) {
    rmSync(`${site.root}/${directory}/finished.watch`, { force: true });
    for (const entry of readdirSync(`${site.root}/${directory}`, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) chmodSync(`${entry.parentPath}/${entry.name}`, 0o644);
  }
};

export interface Run {
  readonly seconds: number;
  /** Peak memory of the process itself, in MB. */
  readonly peakMb: number;
}

/** Runs a whole process. @throws Error where it fails */
export const time = async (command: readonly string[], cwd: string): Promise<Run> => {
  const [file = '', ...args] = command;
  const started = performance.now();
  const child = spawn(file, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  let peakKb = 0;
  while (child.exitCode === null && child.signalCode === null) {
    await Promise.race([ended, delay(50)]);
    peakKb = Math.max(peakKb, peakOf(child.pid));
  }
  if (child.exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${child.exitCode ?? child.signalCode}`);
  return { seconds: (performance.now() - started) / 1000, peakMb: peakKb / 1024 };
};

/** Peak memory (VmHWM) of a running process, in KB; 0 where it has ended. */
export const peakOf = (pid: number | undefined): number => {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0; // It has ended.
  }
};

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
};

/** The value that a share (0 to 1) of all values does not exceed. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? NaN;
};
