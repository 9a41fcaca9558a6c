import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { errorMessage } from '../errors.ts';
import type { ProbeResult } from '../transport.ts';

interface Limit {
  readonly name: string;
  readonly least: number;
  readonly raised: number;
  readonly means: string;
}

// One inotifywait a open directory and one watch on the root: far below the defaults, unless others use them up.
const LIMITS: readonly Limit[] = [
  {
    name: 'max_queued_events',
    least: 16_384,
    raised: 65_536,
    means: 'a burst of more files is found by the next look, not at once',
  },
  { name: 'max_user_instances', least: 128, raised: 512, means: 'every watched directory takes one of them' },
  {
    name: 'max_user_watches',
    least: 8_192,
    raised: 524_288,
    means: 'without inotifywait every file takes one of them',
  },
];

/** The kernel's limits and the watcher that the daemon would use. `scan` needs none of it. */
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
    const low = found.filter(({ value, least }) => value < least);
    if (low.length === 0) return { what, state: 'ok', message };
    const cure = low.map(({ name, raised, means }) => `sysctl -w fs.inotify.${name}=${raised} (${means})`).join('; ');
    return { what, state: 'warning', message, hint: `${cure}; and the same in /etc/sysctl.d to keep it` };
  } catch (error) {
    return {
      what,
      state: 'warning',
      message: `Cannot read the limits of inotify: ${errorMessage(error)}`,
      hint: 'the daemon finds files by source.rescan alone where the kernel has no inotify; scan needs none',
    };
  }
};

const inotifywaitLine = async (required: boolean): Promise<ProbeResult> => {
  const what = 'inotifywait';
  const { stdout, stderr, failed, code, exitCode } = await execa('inotifywait', ['--help'], {
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
        'not installed: the daemon takes a file as complete when it was quiet for source.settle; scan needs no watcher',
      hint: 'for the kernel’s word that a file was closed: apt-get install inotify-tools (dnf, apk, pacman and zypper call it the same)',
    };
  }
  const version = /^inotifywait (\S+)/m.exec(help)?.[1] ?? 'of unknown version';
  if (help.includes('--no-newline'))
    return { what, state: 'ok', message: `${version}: the kernel says when a file was closed` };
  return {
    what,
    state: 'warning',
    message: `${version} ends each name with a newline: a name that holds one is found by the next look`,
    hint: 'all is well where no name holds a newline; else install inotify-tools 3.20.11 or newer',
  };
};
