import { lstatSync, readlinkSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { systemErrorCode } from '../errors.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { hasCapability } from '../marks/mark.ts';
import { fsPath } from '../name.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { walk } from '../source/scanner.ts';
import type { ProbeResult } from '../transport.ts';

const CAP_SYS_PTRACE = 19n;
/** Files looked at in each of the last directories: enough to show who writes. */
const MOST_FILES = 200;
const MOST_DIRECTORIES = 3;

/** Can it be seen which process has a file open? Of another user's processes only with CAP_SYS_PTRACE, which root in a container lacks. */
export const checkWriters = (config: Config, directories: readonly DirectorySnapshot[]): ProbeResult => {
  const owners = new Set<bigint>();
  for (const { name } of directories.slice(-MOST_DIRECTORIES)) addOwners(config, name, owners);
  const user = BigInt(process.geteuid?.() ?? 0);
  return writersLine(owners, user, { seesAll: hasCapability(CAP_SYS_PTRACE), isApart: hasOwnProcessSpace() });
};

/** The kernel's number of the process space of the host itself: include/linux/proc_ns.h. */
const SPACE_OF_HOST = 'pid:[4026531836]';

const hasOwnProcessSpace = (): boolean => readlinkSync('/proc/self/ns/pid') !== SPACE_OF_HOST;

/** Pure. @param isApart in a container with a process space of its own */
export const writersLine = (
  owners: ReadonlySet<bigint>,
  user: bigint,
  { seesAll, isApart }: { readonly seesAll: boolean; readonly isApart: boolean },
): ProbeResult => {
  const what = 'writers';
  const others = [...owners].filter((owner) => owner !== user).toSorted((a, b) => (a < b ? -1 : 1));
  if (seesAll || others.length === 0)
    return {
      what,
      state: 'ok',
      message: isApart
        ? 'it can be seen which process of this container has a file open for writing, and of none outside it: a file that such a one leaves alone for source.settle counts as complete'
        : 'it can be seen which process has a file open for writing',
    };
  const users = `user${others.length === 1 ? '' : 's'} ${others.join(', ')}`;
  return {
    what,
    state: 'warning',
    message: `files belong to ${users}, and it cannot be seen which of them a process of that user has open for writing: isocket runs as user ${user} without CAP_SYS_PTRACE`,
    hint: `run isocket as the user who writes, or give it CAP_SYS_PTRACE; until then a file counts as complete when it was closed, or left alone for source.settle`,
  };
};

const addOwners = ({ source: { root, exclude } }: Config, name: string, owners: Set<bigint>): void => {
  try {
    owners.add(lstatSync(fsPath(`${root}/${name}`), { bigint: true }).uid);
    let files = 0;
    for (const entry of walk(`${root}/${name}`, createIsExcluded(exclude))) {
      if (entry.kind === 'file' || entry.kind === 'folder') owners.add(entry.stats.uid);
      if ((files += 1) >= MOST_FILES) break;
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error; // What cannot be read another line tells.
  }
};
