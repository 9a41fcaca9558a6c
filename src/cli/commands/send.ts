import { addAbortSignal } from 'node:stream';
import type { Report } from '../../core/events.ts';
import { createSiteContext } from '../../delivery/context.ts';
import { NamedFiles } from '../../delivery/named-files.ts';
import { UserError } from '../../errors.ts';
import type { Name } from '../../name.ts';
import { FailureLog } from '../../status/last-failures.ts';
import { partialBytesAt } from '../../delivery/under-way.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { openSite, type OpenSite } from './open-site.ts';
import { openOutput, useLog } from './output.ts';
import { readNames } from './read-names.ts';
import { belowRoot } from './site-path.ts';

/** `isocket send`: delivers and marks the files named. Resolves with the exit code. */
export const send = async (
  files: readonly string[],
  options: CommonOptions & { readonly null?: boolean },
): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options, { isEndless: true });
  const { report } = output;
  checkNames(files, options.null === true);
  await using site = await openSite(options, report, { onConfig: useLog(output) });
  output.follow(() => partialBytesAt(site.destinations));
  using failures = new FailureLog(site.state.path, report, 'earlier');
  const complete = await sendFiles(options.null === true ? 'stdin' : files, site, failures.report, shutdown.signal);
  site.refused.throwIfAborted();
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
  open: OpenSite,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> => {
  const started = performance.now();
  const site = createSiteContext({ ...open, report, signal: AbortSignal.any([signal, open.refused]) }, 'pass');
  const over = new AbortController();
  // Whoever writes into the pipe must learn that nothing more is sent.
  using files = new NamedFiles(site, () => over.abort());
  const ends = AbortSignal.any([signal, open.refused, over.signal]);
  const names = named === 'stdin' ? readNames(addAbortSignal(ends, process.stdin)) : named;
  try {
    for await (const file of names) {
      await site.sender.slots.free('backlog');
      if (ends.aborted) break;
      await files.add(absolute(file, open.config.source.root));
    }
  } catch (error) {
    if (!ends.aborted) throw error;
  }
  await files.drain();
  report({ type: 'summary', ...site.counters, failed: files.unsent, seconds: (performance.now() - started) / 1000 });
  return files.unsent === 0;
};

/** As it was named where it is not of the site: whoever refuses it shows that. */
const absolute = (file: Name, root: Name): Name => {
  const path = belowRoot(file, root);
  return path === undefined ? file : `${root}/${path}`;
};
