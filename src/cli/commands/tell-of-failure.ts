import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { systemErrorCode, UserError } from '../../errors.ts';
import { rememberedRoot, viewState } from '../../marks/state.ts';
import { whyNoRoot } from '../../source/root.ts';
import { Notifier } from '../../status/notify/notifier.ts';
import type { Ping } from '../../status/notify/ping.ts';
import type { Shutdown } from '../shutdown.ts';
import { statePathOf } from './open-site.ts';

export interface ToldWith {
  readonly report: Report;
  readonly ping: Ping | undefined;
  readonly shutdown: Shutdown;
}

/** A command that has had its time is ended within that. */
export const END_MS = 1000;

export interface ToldConfig {
  readonly config: Config;
  readonly configPath: string;
}

/** A run could not begin, or not go on: where the root is away it tells of that. */
export const tellOfFailure = async (told: ToldConfig, { report, ping, shutdown }: ToldWith): Promise<void> => {
  const { config, configPath } = told;
  const root = whyNoOwnRoot(config);
  if (root === undefined || !Notifier.isWanted(config)) {
    await ping?.send('fail');
    return;
  }
  const statePath = statePathOf(config);
  await using notifier = new Notifier({ config, configPath, statePath, report, ping, graceMs: 0 });
  notifier.look({ root: root.message, down: [], held: [], late: [], isWhole: false });
  await Promise.all([ping?.send('fail'), notifier.end(config.hooks.timeoutMs + END_MS, shutdown.signal)]);
};

/** Why the root cannot be worked on: it is away, or something else stands in its place. Of a state that is another root's nothing is told: nothing is written there. */
export const whyNoOwnRoot = (config: Config): UserError | undefined => {
  const { root } = config.source;
  const statePath = statePathOf(config);
  const remembered = rememberedRoot(statePath);
  if (remembered !== undefined && remembered !== root) return undefined;
  try {
    viewState(statePath, root);
  } catch (error) {
    if (error instanceof UserError) return error;
    if (systemErrorCode(error) === undefined) throw error; // Else it is the root's, and told below.
  }
  return whyNoRoot(root);
};
