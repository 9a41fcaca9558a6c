import { execa } from 'execa';
import { CHILD_OPTIONS } from '../host/child-options.ts';
import { readFileSync } from 'node:fs';
import { errorMessage } from '../errors.ts';
import type { ProbeResult } from '../transport.ts';

interface Limit {
  readonly name: string;
  readonly minimum: number;
  readonly raised: number;
  readonly effect: string;
}

// One inotifywait for each open directory and one watch on the root: far below the defaults, unless other programs use them up.
const LIMITS: readonly Limit[] = [
  {
    name: 'max_queued_events',
    minimum: 16_384,
    raised: 65_536,
    effect: 'a larger burst of files is found by the next rescan, not at once',
  },
  { name: 'max_user_instances', minimum: 128, raised: 512, effect: 'each watched directory takes one' },
  {
    name: 'max_user_watches',
    minimum: 8_192,
    raised: 524_288,
    effect: 'without inotifywait each file takes one',
  },
];

/** The kernel's limits and the watcher that the daemon would use. `scan` needs neither. */
export async function* checkInotify(
  watcher: 'auto' | 'inotifywait' | 'chokidar',
  folder = '/proc/sys/fs/inotify',
): AsyncGenerator<ProbeResult> {
  yield limitsLine(folder);
  if (watcher !== 'chokidar') yield await inotifywaitLine(watcher === 'inotifywait');
}

const limitsLine = (folder: string): ProbeResult => {
  const what = 'inotify';
  try {
    const found = LIMITS.map((limit) => ({ ...limit, value: Number(readFileSync(`${folder}/${limit.name}`, 'utf8')) }));
    const message = found.map(({ name, value }) => `${name} ${value}`).join(', ');
    const low = found.filter(({ value, minimum }) => value < minimum);
    if (low.length === 0) return { what, state: 'ok', message };
    const fix = low.map(({ name, raised, effect }) => `sysctl -w fs.inotify.${name}=${raised} (${effect})`).join('; ');
    return { what, state: 'warning', message, hint: `${fix}; and the same in /etc/sysctl.d to keep it` };
  } catch (error) {
    return {
      what,
      state: 'warning',
      message: `Cannot read the inotify limits: ${errorMessage(error)}`,
      hint: 'without inotify in the kernel the daemon finds files by source.rescan alone; scan needs no inotify',
    };
  }
};

const inotifywaitLine = async (required: boolean): Promise<ProbeResult> => {
  const what = 'inotifywait';
  const { stdout, stderr, failed, code, exitCode } = await execa('inotifywait', ['--help'], {
    ...CHILD_OPTIONS,
    reject: false,
    stdin: 'ignore',
    timeout: 10_000,
    env: { LC_ALL: 'C' },
  });
  const help = `${stdout}\n${stderr}`;
  if (code === 'ENOENT' || (failed && exitCode === undefined)) {
    return {
      what,
      state: required ? 'failure' : 'warning',
      message:
        'not installed: the daemon treats a file as complete after source.settle without a change; scan needs no watcher',
      hint: 'for exact close events: apt-get install inotify-tools (the same name for dnf, apk, pacman and zypper)',
    };
  }
  const version = /^inotifywait (\S+)/m.exec(help)?.[1] ?? 'unknown version';
  if (help.includes('--no-newline')) return { what, state: 'ok', message: `${version}: reports when a file is closed` };
  return {
    what,
    state: 'warning',
    message: `${version} ends each name with a newline: a file with a newline in its name is found by the next rescan`,
    hint: 'no effect unless names hold newlines; otherwise install inotify-tools 3.20.11 or newer',
  };
};
