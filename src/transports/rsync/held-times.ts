import { connectionError, judgeRun } from './judge.ts';
import type { ExpectedFile, Name } from '../../transport.ts';
import { sendArguments, tidyArguments } from './arguments.ts';
import { compare, type Difference } from './compare.ts';
import type { Session } from './session.ts';
import { StagingTree } from './staging-tree.ts';
import { folderOf } from './target-path.ts';

/** Of an odd second, which FAT does not have. */
export const ODD_TIME_S = 1_000_000_007;

/** Those of these files whose time is, there, the one with which the destination holds theirs. */
export const heldThere = async (
  session: Session,
  found: ReadonlyMap<ExpectedFile, Difference>,
  signal: AbortSignal,
): Promise<readonly ExpectedFile[]> => {
  const atTheLimit = await heldAs(session, found, nearestOf32Bits, signal);
  const even = await heldAs(session, found, evenSecond, signal);
  if (even.length === 0) return atTheLimit;
  const folders = await foldersInTwos(session, new Set(even.map(({ targetPath }) => folderOf(targetPath))), signal);
  return [...atTheLimit, ...even.filter(({ targetPath }) => folders.has(folderOf(targetPath)))];
};

/**
 * File systems with 32 bits for a time (ext3, ext4 with 128-byte inodes, older XFS) keep the first or the last second that they have in
 * place of any before 1901 or after 2038.
 */
const nearestOf32Bits = (seconds: number): number => Math.min(Math.max(seconds, -0x8000_0000), 0x7fff_ffff);

/** FAT keeps one second in two. */
const evenSecond = (seconds: number): number => Math.floor(seconds / 2) * 2;

const heldAs = async (
  session: Session,
  found: ReadonlyMap<ExpectedFile, Difference>,
  held: (seconds: number) => number,
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const asHeld = new Map<ExpectedFile, ExpectedFile>();
  for (const [file, what] of found) {
    const mtimeSeconds = held(file.mtimeSeconds);
    if (what === 'time' && mtimeSeconds !== file.mtimeSeconds) asHeld.set({ ...file, mtimeSeconds }, file);
  }
  const differing = await compare(session, [...asHeld.keys()], 'listed', signal);
  return [...asHeld].flatMap(([one, file]) => (differing.has(one) ? [] : [file]));
};

const known = new WeakMap<Session, Map<Name, boolean>>();

/** Those of these folders where a file of ours that got an odd second has the even one before it. */
const foldersInTwos = async (
  session: Session,
  folders: ReadonlySet<Name>,
  signal: AbortSignal,
): Promise<ReadonlySet<Name>> => {
  const shown = known.get(session) ?? new Map<Name, boolean>();
  known.set(session, shown);
  const unknown = [...folders].filter((folder) => !shown.has(folder));
  if (unknown.length > 0) {
    const areInTwos = await tryOddTime(session, unknown, signal);
    for (const folder of unknown) shown.set(folder, areInTwos.has(folder));
  }
  return new Set([...folders].filter((folder) => shown.get(folder)));
};

const tryOddTime = async (session: Session, folders: readonly Name[], signal: AbortSignal): Promise<Set<Name>> => {
  const name = `.isocket-${session.context.owner}-time.part`;
  const pathIn = (folder: Name): Name => (folder === '' ? name : `${folder}/${name}`);
  using tree = new StagingTree(session.stagingFolder);
  for (const folder of folders) tree.placeholder(pathIn(folder), 0n, ODD_TIME_S);
  const how = { durable: false, bandwidth: null, lockstep: false, partialFolder: undefined };
  const sent = await session.runs.run(sendArguments({ ...session.target(tree), ...how }), { list: tree.list }, signal);
  signal.throwIfAborted();
  const verdict = judgeRun(sent);
  if (verdict.kind === 'connection') throw connectionError(`verify files at ${session.label}`, verdict);
  const asEven = folders.map((folder) => ({
    sourcePath: '',
    targetPath: pathIn(folder),
    size: 0n,
    mtimeSeconds: ODD_TIME_S - 1,
  }));
  const differing = await compare(session, asEven, 'listed', signal);
  await session.runs.run(tidyArguments(session.target(tree), name), {}, signal);
  return new Set(folders.filter((_, index) => !differing.has(asEven[index] as ExpectedFile)));
};
