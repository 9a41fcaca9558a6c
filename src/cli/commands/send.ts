import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { openDirectoryRecord } from '../../marks/claims.ts';
import { UserError } from '../../errors.ts';
import { cannotWork } from '../../source/directory-failures.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import type { Report } from '../../core/events.ts';
import { isMarked } from '../../marks/mark.ts';
import { showName, type Name } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import { readNames } from './read-names.ts';
import type { MarkRecord } from '../../marks/record.ts';
import { readRoot } from '../../source/scanner.ts';
import { createSender } from '../../delivery/sender.ts';
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
  checkNames(files, options.null === true);
  await using site = await openSite(options, report);
  const complete = await sendFiles(options.null === true ? 'stdin' : files, site, report, shutdown.signal);
  return shutdown.exitCode ?? (complete ? 0 : 3);
};

const checkNames = (files: readonly string[], isNullSeparated: boolean): void => {
  if (!isNullSeparated) {
    if (files.length > 0) return;
    throw new UserError('Cannot send: no file is named', {
      hint: 'name files, or pipe names in: find … -print0 | isocket send -0 -',
    });
  }
  if (files.length === 1 && files[0] === '-') return;
  throw new UserError('Cannot read names: -0 goes with "-" as the only file', {
    hint: 'find … -print0 | isocket send -0 -',
  });
};

const sendFiles = async (
  named: readonly Name[] | 'stdin',
  { config, state, destinations }: OpenSite,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> => {
  const started = performance.now();
  const { root, tag, exclude } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const records = new Map<Name, MarkRecord>();
  const recordOf = (name: Name): MarkRecord | undefined => {
    const known = records.get(name);
    if (known !== undefined) return known;
    // Looked for when it is named: a pipe may be older than the directory.
    const directory = readRoot(root, tag, isExcluded).find((one) => one.name === name);
    if (directory === undefined) return undefined;
    const record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: false });
    records.set(name, record);
    return record;
  };

  const sender = createSender({ root, destinations, retry: config.send.retry, retryMode: 'pass', report, signal });
  const counters = { sent: 0, bytes: 0, skipped: 0, held: 0, finished: 0 };
  /** What a pipe names again may be sent after all. */
  const unsent = new Set<Name>();
  const fail = (path: Name, message: string, hint: string | undefined): void => {
    unsent.add(resolve(path));
    const words = hint === undefined ? { message } : { message, hint };
    report({ type: 'failed', path, class: 'file', ...words, attempts: 1, held: false });
  };
  const sendOne = async (file: Name): Promise<void> => {
    const [directory = '', ...below] = placeBelow(root, file);
    const path = below.join('/');
    let record;
    try {
      record = path === '' ? undefined : recordOf(directory);
    } catch (error) {
      const { message, hint } = cannotWork(directory, error);
      fail(file, message, hint);
      return;
    }
    if (record === undefined) {
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
      unsent.delete(resolve(file));
      counters.skipped += 1;
      return;
    }
    const outcome = await sender.send({ directory, path, stats, record, delivered: [] }, 'backlog');
    if (outcome.result === 'sent') {
      unsent.delete(resolve(file));
      counters.sent += 1;
      counters.bytes += Number(stats.size);
    } else if (outcome.result === 'changed')
      fail(file, `Did not mark "${showName(file)}": it changed while it was sent`, 'send it again when it is complete');
    else if (outcome.result === 'failed') {
      const { message, hint } = outcome.error;
      fail(file, message, hint);
    } else unsent.add(resolve(file));
  };

  /** What is being sent; true: it was named once more since. */
  const sending = new Map<Name, boolean>();
  const over = new AbortController();
  const defects: unknown[] = [];
  const sendInTurn = async (file: Name): Promise<void> => {
    const key = resolve(file);
    try {
      do {
        sending.set(key, false);
        await sendOne(file);
      } while (sending.get(key) === true);
    } catch (error) {
      defects.push(error);
    }
    sending.delete(key);
    // Whoever writes into the pipe must learn that nothing more is sent.
    if (sender.fatal !== undefined || defects.length > 0) over.abort();
  };

  const ends = AbortSignal.any([signal, over.signal]);
  const names = named === 'stdin' ? readNames(addAbortSignal(ends, process.stdin)) : named;
  const underWay = new Set<Promise<void>>();
  try {
    for await (const file of names) {
      await sender.slot('backlog');
      if (signal.aborted) break;
      const key = resolve(file);
      if (sending.has(key)) {
        sending.set(key, true);
        continue;
      }
      const one = sendInTurn(file).finally(() => underWay.delete(one));
      underWay.add(one);
    }
  } catch (error) {
    if (!ends.aborted) defects.push(error);
  }
  await Promise.all(underWay);
  for (const record of records.values()) record[Symbol.dispose]();
  if (defects.length > 0) throw defects[0];
  report({ type: 'summary', ...counters, failed: unsent.size, seconds: (performance.now() - started) / 1000 });
  return unsent.size === 0;
};

/** The names from the root down to the file: ["DC1", "sub", "file"]; empty outside the root. */
const placeBelow = (root: Name, file: Name): Name[] => {
  const path = resolve(file);
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1).split('/') : [];
};
