import type { Config } from '../config/config.ts';
import type { ProbeResult, Transport } from '../transport.ts';
import { checkFiles } from './files.ts';
import { checkInotify } from './inotify.ts';
import { checkLock } from './lock.ts';
import { checkMark } from './mark.ts';
import { checkRoot } from './root.ts';
import { checkState } from './state.ts';

/** A line of `isocket check`, and the end that it is about: that decides the exit code. */
export interface CheckResult extends ProbeResult {
  readonly end: 'here' | 'destination';
}

export interface CheckOptions {
  readonly config: Config;
  readonly statePath: string;
  readonly destinations: readonly Transport[];
  readonly signal: AbortSignal;
}

/** All checks that can be made before a file is sent, this end first. The site is not changed. */
export async function* checkSite(options: CheckOptions): AsyncGenerator<CheckResult> {
  for await (const result of checkThisEnd(options)) yield { ...result, end: 'here' };
  for (const [index, transport] of options.destinations.entries()) {
    const prefix = options.destinations.length > 1 ? `destination ${index + 1}: ` : '';
    for await (const result of transport.probe(options.signal))
      yield { ...result, what: prefix + result.what, end: 'destination' };
  }
}

async function* checkThisEnd({ config, statePath, signal }: CheckOptions): AsyncGenerator<ProbeResult> {
  const root = checkRoot(config.source);
  yield root.line;
  if (root.directories !== undefined) {
    yield await checkLock(config.source.root);
    yield* checkMark(config.source.root);
    yield* checkFiles(config.source, root.directories, statePath, signal);
  }
  yield checkState(statePath);
  yield* checkInotify(config.source.watcher);
}
