import { setTimeout as delay } from 'node:timers/promises';
import { tickLeftMs } from '../../core/clock-tick.ts';
import { isHostFailure, TransportError } from '../../errors.ts';
import { modeWithoutMark } from '../../marks/mark.ts';
import type { DirectoryFillOptions, FoundFile } from './directory-options.ts';
import type { FillTally } from './fill-tally.ts';

export const MOVED = 'it was changed meanwhile';

/**
 * Sends one file to the destination that lacks it, and records that. Its mark stays as it is.
 * @throws what no later file would do better with: a connection that fails, the signal's reason
 */
export const sendFound = async (
  { path, size, stats }: FoundFile,
  { plan, site, to, record, report }: DirectoryFillOptions,
  tally: FillTally,
): Promise<void> => {
  const { signal, config } = site;
  const targetPath = `${plan.directory.name}/${path}`;
  const sourcePath = `${config.source.root}/${targetPath}`;
  const outgoing = { sourcePath, targetPath, mode: modeWithoutMark(stats), identity: stats };
  let sum: Buffer | undefined;
  const tellSha256 = (told: Buffer): void => {
    sum = told;
  };
  try {
    // Read within the tick of its last change, a later one would leave the same times.
    const waitMs = tickLeftMs(stats.ctimeNs, Date.now());
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
    await to.send(record.sums === undefined ? outgoing : { ...outgoing, tellSha256 }, signal);
  } catch (error) {
    if (signal.aborted || !isOfFile(error)) throw error;
    if (error instanceof TransportError && error.class === 'source-changed') tally.refuse(path, MOVED);
    else tally.fail(error, path);
    return;
  }
  if (sum !== undefined) record.sums?.add(path, stats, sum);
  record.addFor(path, stats, 0);
  tally.count(size);
  tally.countSent(size);
  report({ type: 'sent', path: targetPath, bytes: Number(size) });
};

const isOfFile = (error: unknown): boolean =>
  error instanceof TransportError ? error.class === 'file' || error.class === 'source-changed' : isHostFailure(error);
