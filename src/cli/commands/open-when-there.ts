import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { UserError } from '../../errors.ts';
import { rememberedRoot } from '../../marks/state.ts';
import { whyNoRoot } from '../../source/root.ts';
import { Ping } from '../../status/notify/ping.ts';
import type { CommonOptions } from '../options.ts';
import type { ServiceManager } from '../service-manager.ts';
import type { Shutdown } from '../shutdown.ts';
import { openSite, statePathOf, type OpenOptions, type OpenSite } from './open-site.ts';
import { tellOfFailure, whyNoOwnRoot } from './tell-of-failure.ts';

const MOST_WAIT_MS = 5000;

export interface DaemonStart {
  readonly report: Report;
  readonly manager: ServiceManager;
  readonly shutdown: Shutdown;
}

/**
 * Opens the site of a daemon. A root that was there in an earlier run, and is away (a mount that comes late), is told of and waited for, as one that goes
 * away later is. undefined: it was stopped meanwhile.
 * @throws UserError as `openSite`; that is told too
 */
export const openWhenThere = async (
  options: CommonOptions,
  { report, manager, shutdown }: DaemonStart,
  open: OpenOptions,
): Promise<OpenSite | undefined> => {
  let told: { readonly config: Config; readonly configPath: string } | undefined;
  const onConfig = (config: Config, configPath: string): void => {
    if (told === undefined) open.onConfig?.(config, configPath);
    told = { config, configPath };
  };
  for (;;) {
    try {
      return await openSite(options, report, { ...open, onConfig });
    } catch (error) {
      const failed: typeof told = told;
      if (failed === undefined || !(error instanceof UserError) || error.exitCode === 4) throw error;
      const { config } = failed;
      const away = isOnlyAway(config) ? whyNoRoot(config.source.root) : undefined;
      if (away !== undefined)
        report({ type: 'note', level: 'warning', message: `${away.message}; the daemon begins when it is there` });
      await tellBeginning(failed, { report, shutdown });
      if (away === undefined) throw error;
      manager.ready(`waits for ${config.source.root}`);
      manager.feedWatchdog(() => true);
      while (!shutdown.signal.aborted && whyNoRoot(config.source.root) !== undefined)
        await delay(Math.min(config.source.rescanMs, MOST_WAIT_MS), undefined, { signal: shutdown.signal }).catch(
          () => undefined,
        );
      if (shutdown.signal.aborted) return undefined;
    }
  }
};

/** It was this one's, so that it is no mistake in the configuration. */
const isOnlyAway = (config: Config): boolean => rememberedRoot(statePathOf(config)) === config.source.root;

const tellBeginning = async (
  told: { readonly config: Config; readonly configPath: string },
  { report, shutdown }: Omit<DaemonStart, 'manager'>,
): Promise<void> => {
  const { hooks, status } = told.config;
  using ping = hooks.ping === null ? undefined : new Ping(hooks.ping, report);
  if (status.textfile !== null) {
    const { ScanTextfile } = await import('./scan-textfile.ts');
    await new ScanTextfile(status.textfile, told.config, report).failed(whyNoOwnRoot(told.config)?.message);
  }
  await tellOfFailure(told, { report, ping, shutdown });
};
