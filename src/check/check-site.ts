import type { Config } from '../config/config.ts';
import type { ProbeResult, Transport } from '../transport.ts';
import { checkFiles } from './files.ts';
import { checkInotify } from './inotify.ts';
import { lateLine } from './late.ts';
import { checkLock } from './lock.ts';
import { birthTimeLine } from './birth-time.ts';
import { manifestLine } from './manifest.ts';
import { checkMark } from './mark.ts';
import { checkWriters } from './writers.ts';
import { elsewhereLine } from './elsewhere.ts';
import { listenLine } from './listen.ts';
import { earlierAt, samePlaceLine } from './one-place.ts';
import { earlierProbes, overlapLine, removeMadeFolders, type Overlap } from './overlap.ts';
import { checkRoot, linkLines, unreadableLines } from './root.ts';
import { checkState } from './state.ts';
import { checkTold } from './told.ts';

/** A line of `isocket check`, and the end that it is about: that decides the exit code. */
export interface CheckResult extends ProbeResult {
  readonly end: 'here' | 'destination';
  /** Of several destinations the one that it is about: "destination 2 (best effort)". */
  readonly of?: string;
}

export interface CheckOptions {
  readonly config: Config;
  /** The file of the configuration. */
  readonly configPath?: string;
  readonly statePath: string;
  readonly destinations: readonly Transport[];
  /** Of these, those that are best effort: what is wrong with them stops nothing. */
  readonly bestEffort?: ReadonlySet<Transport>;
  readonly signal: AbortSignal;
}

/** All checks that can be made before a file is sent, this end first. The site is not changed. */
export async function* checkSite(options: CheckOptions): AsyncGenerator<CheckResult> {
  const found = checkRoot(options.config.source);
  for await (const result of checkThisEnd(options, found)) yield { ...result, end: 'here' };
  const reached: Transport[] = [];
  for (const [index, transport] of options.destinations.entries()) {
    const isBestEffort = options.bestEffort?.has(transport) === true;
    const kind = isBestEffort ? ' (best effort)' : '';
    const about = options.destinations.length > 1 ? { of: `destination ${index + 1}${kind}` } : {};
    let isWell = true;
    for await (const result of checkDestination(transport, reached, options)) {
      isWell &&= result.state !== 'failure';
      const isTolerated = isBestEffort && result.state === 'failure' && result.end === 'destination';
      yield { ...result, ...about, state: isTolerated ? 'warning' : result.state };
    }
    if (isWell) reached.push(transport);
  }
  // Of a destination that is mistyped, that is what is to be told.
  const elsewhere = elsewhereLine(options.config.source.root, found.listing?.directories ?? [], {
    site: options.config.site,
    labels: reached.map(({ label }) => label),
    all: options.destinations.map(({ label }) => label),
  });
  if (elsewhere !== undefined) yield { ...elsewhere, end: 'here' };
}

/** @param reached those that were found well before it */
async function* checkDestination(
  transport: Transport,
  reached: readonly Transport[],
  { config, signal }: Pick<CheckOptions, 'config' | 'signal'>,
): AsyncGenerator<CheckResult> {
  const { root, tag } = config.source;
  const begunMs = Date.now();
  const earlier = earlierProbes(root, tag);
  const others = await earlierAt(reached, signal);
  let made: Overlap | undefined;
  for await (const result of transport.probe(signal)) {
    // Now, and not after the probe: it removes its file. The failure is of the configuration, so of this end.
    const isWritten = result.what === 'write' && result.state === 'ok';
    const overlap = isWritten ? overlapLine(root, earlier, tag) : undefined;
    const same = isWritten ? await samePlaceLine(others, signal) : undefined;
    yield { ...result, end: 'destination' };
    made ??= overlap;
    for (const line of [overlap, same]) if (line !== undefined) yield { ...line, end: 'here' };
  }
  if (made !== undefined) removeMadeFolders(root, made, begunMs);
}

async function* checkThisEnd(options: CheckOptions, root: ReturnType<typeof checkRoot>): AsyncGenerator<ProbeResult> {
  const { config, configPath, statePath, signal } = options;
  const site = { name: config.site, root: config.source.root, state: statePath };
  const state = checkState(statePath, config.source.root);
  yield root.line;
  if (root.listing !== undefined) {
    const { directories } = root.listing;
    yield* unreadableLines(root.listing);
    yield* linkLines(config.source.root, root.listing);
    yield await checkLock(site);
    yield* checkMark(config.source.root);
    yield birthTimeLine(directories, config.source.newest);
    // A state folder that cannot be used says nothing of these files.
    yield* checkFiles(config, directories, state.state === 'ok' ? statePath : undefined, signal);
    const manifest = manifestLine(config, directories);
    if (manifest !== undefined) yield manifest;
    const late = lateLine(directories);
    if (late !== undefined) yield late;
    yield checkWriters(config, directories);
  }
  yield state;
  yield* checkInotify(config.source.watcher);
  yield* checkTold(config, configPath);
  const { listen } = config.status;
  if (listen !== null && root.listing !== undefined) yield await listenLine(listen, site);
}
