import { showTime } from '../../maintain/restore/compare-stored.ts';
import { isSafePath } from '../../maintain/restore/stored-names.ts';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { formatBytes } from '../../core/units.ts';
import { TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import { isTemporaryName } from '../../source/markers.ts';
import type { StoredEntry, Transport } from '../../transport.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { chooseDestination } from './choose-destination.ts';
import { connectForReading, orAnother } from './connect-for-reading.ts';
import { readConfig } from './open-site.ts';
import { openOutput, useLog } from './output.ts';
import { namedDirectory } from './restore-target.ts';
import { ownCommand } from '../../host/own-command.ts';

export interface ListOptions extends CommonOptions {
  readonly from?: string;
}

/** `isocket list`: what is at a destination: its directories, or the files of one. Resolves with the exit code. */
export const list = async (named: string | undefined, options: ListOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  await using connected = await connect(options, output.report, useLog(output));
  const { transport, all, root } = connected;
  const directory = named === undefined ? undefined : namedDirectory(named, root);
  const entries = await read(transport, directory, shutdown.signal).catch((error: unknown) => {
    throw orAnother(error, transport, { all, from: options.from });
  });
  if (shutdown.exitCode !== undefined) return shutdown.exitCode;
  if (directory !== undefined && entries.length === 0)
    throw new TransportError('file', `Cannot list ${showName(directory)}: it is not at ${transport.label}`, {
      hint: `${ownCommand('list')} shows what is`,
    });
  const text = options.json === true ? jsonLine : directory === undefined ? directoryLine : fileLine(directory);
  for (const entry of entries) process.stdout.write(text(entry));
  return 0;
};

const connect = async (
  options: ListOptions,
  report: Report,
  onConfig: (config: Config) => void,
): Promise<
  { readonly transport: Transport; readonly all: readonly Transport[]; readonly root: Name } & AsyncDisposable
> => {
  const config = await readConfig(options, report);
  onConfig(config);
  await using stack = new AsyncDisposableStack();
  const all = connectForReading(config, report, stack);
  const transport = chooseDestination(all, options.from);
  const held = stack.move();
  return { transport, all, root: config.source.root, [Symbol.asyncDispose]: () => held.disposeAsync() };
};

/** Without what is not whole yet, and without names that are none. Sorted. */
const read = async (transport: Transport, directory: Name | undefined, signal: AbortSignal): Promise<StoredEntry[]> => {
  const entries: StoredEntry[] = [];
  const wanted = directory === undefined ? 'folder' : 'file';
  const visit = (entry: StoredEntry): void => {
    const isBelow = directory === undefined || entry.path.startsWith(`${directory}/`);
    if (isBelow && entry.kind === wanted && isSafePath(entry.path) && !entry.path.split('/').some(isTemporaryName))
      entries.push(entry);
  };
  try {
    await transport.listTree?.(directory ?? '', { deep: directory !== undefined, visit }, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const natural = new Intl.Collator('en', { numeric: true });
  return entries.sort((a, b) => natural.compare(a.path, b.path) || (a.path < b.path ? -1 : 1));
};

const jsonLine = ({ path, kind, size, mtimeSeconds }: StoredEntry): string => {
  const entry =
    kind === 'folder' ? { type: 'directory', name: path } : { type: 'file', path, bytes: size, mtime: mtimeSeconds };
  return `${JSON.stringify(entry)}\n`;
};

const directoryLine = ({ path }: StoredEntry): string => `${showName(path)}\n`;

const SIZE_COLUMNS = 10;

const fileLine =
  (directory: Name) =>
  ({ path, size, mtimeSeconds }: StoredEntry): string =>
    `${formatBytes(size).padStart(SIZE_COLUMNS)}  ${showTime(mtimeSeconds)}  ${showName(path.slice(directory.length + 1))}\n`;
