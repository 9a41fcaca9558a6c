import { buffer } from 'node:stream/consumers';
import { resolve } from 'node:path';
import { openDirectoryRecord } from '../adopt.ts';
import { UserError } from '../errors.ts';
import { createIsExcluded } from '../exclude.ts';
import type { Report } from '../events.ts';
import { isMarked } from '../mark.ts';
import { decodeName, showName, type Name } from '../name.ts';
import type { CommonOptions } from '../program.ts';
import type { MarkRecord } from '../record.ts';
import { readRoot } from '../scanner.ts';
import { createSender } from '../sender.ts';
import { listenForShutdown } from '../shutdown.ts';
import { openSite, type OpenSite } from './open-site.ts';
import { openOutput } from './output.ts';

/** `isocket send`: delivers and marks the files named. Resolves with the exit code. */
export const send = async (
  files: readonly string[],
  options: CommonOptions & { readonly null?: boolean },
): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const { report } = output;
  const names = await namesToSend(files, options.null === true);
  await using site = await openSite(options, report);
  const complete = await sendFiles(names, site, report, shutdown.signal);
  return shutdown.exitCode ?? (complete ? 0 : 3);
};

const namesToSend = async (files: readonly string[], isNullSeparated: boolean): Promise<Name[]> => {
  if (!isNullSeparated) {
    if (files.length > 0) return [...files];
    throw new UserError('Cannot send: no file is named', {
      hint: 'name files, or pipe names in: find … -print0 | isocket send -0 -',
    });
  }
  if (files.length !== 1 || files[0] !== '-') {
    throw new UserError('Cannot read names: -0 goes with "-" as the only file', {
      hint: 'find … -print0 | isocket send -0 -',
    });
  }
  const input = await buffer(process.stdin);
  return splitAtNull(input).map(decodeName);
};

const splitAtNull = (input: Buffer): Buffer[] => {
  const names: Buffer[] = [];
  for (let start = 0; start < input.length;) {
    const end = input.indexOf(0, start);
    const name = input.subarray(start, end === -1 ? input.length : end);
    if (name.length > 0) names.push(name);
    start += name.length + 1;
  }
  return names;
};

const sendFiles = async (
  names: readonly Name[],
  { config, state, destinations }: OpenSite,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> => {
  const started = performance.now();
  const { root, tag, exclude } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const directories = new Map(readRoot(root, tag, isExcluded).map((directory) => [directory.name, directory]));
  const records = new Map<Name, MarkRecord>();
  const recordOf = (name: Name): MarkRecord | undefined => {
    const directory = directories.get(name);
    const record =
      records.get(name) ??
      (directory && openDirectoryRecord(directory, { root, state, isExcluded, report, dry: false }));
    if (record !== undefined) records.set(name, record);
    return record;
  };

  const sender = createSender({ root, destinations, retry: config.send.retry, patience: 'pass', report, signal });
  const tally = { sent: 0, bytes: 0, skipped: 0, failed: 0, held: 0, finished: 0 };
  const fail = (path: Name, message: string, hint: string | undefined): void => {
    tally.failed += 1;
    const words = hint === undefined ? { message } : { message, hint };
    report({ type: 'failed', path, class: 'file', ...words, attempts: 1, held: false });
  };
  const sendOne = async (file: Name): Promise<void> => {
    const [directory = '', ...below] = placeBelow(root, file);
    const record = recordOf(directory);
    const path = below.join('/');
    if (record === undefined || path === '') {
      fail(
        file,
        `Cannot send "${showName(file)}": it is not in a directory of ${showName(root)} that carries the tag "${tag}"`,
        'name files of this site, or use the configuration of theirs',
      );
      return;
    }
    const stats = sender.stat(`${directory}/${path}`);
    if (stats?.isFile() !== true) {
      fail(
        file,
        `Cannot send "${showName(file)}": ${stats === undefined ? 'it is not there' : 'it is not a regular file'}`,
        'name regular files',
      );
      return;
    }
    if (isMarked(stats) && record.has(stats, path)) {
      tally.skipped += 1;
      return;
    }
    const outcome = await sender.send({ directory, path, stats, record, delivered: [] }, 'backlog');
    if (outcome.fate === 'sent') {
      tally.sent += 1;
      tally.bytes += Number(stats.size);
    } else if (outcome.fate === 'changed')
      fail(file, `Did not mark "${showName(file)}": it changed while it was sent`, 'send it again when it is complete');
    else if (outcome.fate === 'failed') {
      const { message, hint } = outcome.error;
      fail(file, message, hint);
    } else tally.failed += 1;
  };

  const underWay = new Set<Promise<void>>();
  for (const name of names) {
    await sender.room('backlog');
    if (signal.aborted) break;
    const one = sendOne(name).finally(() => underWay.delete(one));
    underWay.add(one);
  }
  await Promise.all(underWay);
  for (const record of records.values()) record[Symbol.dispose]();
  report({ type: 'summary', ...tally, seconds: (performance.now() - started) / 1000 });
  return tally.failed === 0;
};

/** The names from the root down to the file: ["DC1", "sub", "file"]; empty outside the root. */
const placeBelow = (root: Name, file: Name): Name[] => {
  const path = resolve(file);
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1).split('/') : [];
};
