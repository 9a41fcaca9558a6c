import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { keptApart } from '../../check/apart.ts';
import { refuseStateInRoot } from '../../check/overlap.ts';
import { allDestinations, type Config, type Destination } from '../../config/config.ts';
import { parseConfig } from '../../config/parse-config.ts';
import { describeHolder, idleActivity, type Activity } from '../../instance/activity.ts';
import { rateAt } from '../../core/bandwidth.ts';
import type { Report } from '../../core/events.ts';
import { findConfig, type FoundConfig } from '../../config/find-config.ts';
import { withLines } from '../../config/find-line.ts';
import type { LockedSite } from '../../instance/address.ts';
import { askActivity } from '../../instance/ask.ts';
import { lockRoot } from '../../instance/lock.ts';
import { lockState } from '../../instance/state-lock.ts';
import { UserError } from '../../errors.ts';
import { checkRoot } from '../../source/root.ts';
import { defaultStatePath, openState, type StateFolder } from '../../marks/state.ts';
import type { Transport } from '../../transport.ts';
import { bundledTransportNames } from '../../transports/index.ts';
import type { CommonOptions } from '../options.ts';
import { loadTransports } from './load-transports.ts';
import { homeFolder, workingFolder } from '../../host/home.ts';
import { nameConfig } from '../../host/own-command.ts';
import { obeyedConfig } from './obeyed-config.ts';
import { refuseFirstRunAsRoot, serviceState } from './service-state.ts';

/** Finds the configuration's file for a command. */
export const findConfigFor = async ({ config: flag }: CommonOptions, report: Report): Promise<FoundConfig> => {
  const env = process.env.ISOCKET_CONFIG;
  const found = await findConfig({
    ...(flag === undefined ? {} : { flag }),
    ...(env === undefined ? {} : { env }),
    cwd: workingFolder(),
    home: homeFolder(),
  });
  if ((flag ?? env ?? '') !== '') nameConfig(found.path);
  report({ type: 'config', path: found.path });
  return found;
};

/** Finds and reads the site's configuration. */
export const readConfig = async (options: CommonOptions, report: Report): Promise<Config> =>
  (await readFoundConfig(options, report)).config;

const readFoundConfig = async (
  options: CommonOptions,
  report: Report,
): Promise<{ readonly config: Config; readonly path: string }> => {
  const { path, input } = await findConfigFor(options, report);
  const transport = await loadTransports(input, path);
  const config = withLines(path, () =>
    parseConfig(input, { path, hostname: hostname(), transport, transportNames: bundledTransportNames }),
  );
  return { config: { ...config, state: config.state ?? serviceState(path) }, path };
};

/** A site that this process alone works on. */
export interface OpenSite extends AsyncDisposable {
  readonly config: Config;
  /** Its file. */
  readonly configPath: string;
  readonly state: StateFolder;
  /** Those of `config.destinations`. */
  readonly destinations: readonly Transport[];
  /** Those of `config.bestEffort`. */
  readonly bestEffort: readonly Transport[];
  /** Aborted, with a UserError as the reason, when a destination turns out to be the root, or one to lie in the other. */
  readonly refused: AbortSignal;
}

export interface OpenOptions {
  /** Only for commands that change nothing: works beside another isocket. */
  readonly unlocked?: boolean;
  /** What this process reports about itself over the lock. */
  readonly activity?: () => Partial<Activity>;
  /** Called as soon as it is read. */
  readonly onConfig?: (config: Config, path: string) => void;
}

/**
 * Locks the root and creates the transports; they connect when first needed.
 * @throws UserError: the configuration, the root or the state cannot be used, or another isocket works on the root
 */
export const openSite = async (
  options: CommonOptions,
  report: Report,
  { unlocked = false, activity = () => ({}), onConfig }: OpenOptions = {},
): Promise<OpenSite> => {
  const { config: read, path } = await readFoundConfig(options, report);
  const config = obeyedConfig(read, path, report);
  onConfig?.(config, path);
  checkRoot(config.source.root);
  refuseFirstRunAsRoot(path, statePathOf(config));
  refuseStateInRoot(statePathOf(config), config.source.root);
  await using stack = new AsyncDisposableStack();
  const idle = idleActivity(new Date());
  const answer = (): Activity => ({ ...idle, ...activity() });
  const locked = lockedSite(config);
  const taken = (message: string): void => report({ type: 'note', level: 'warning', message });
  if (!unlocked) stack.use(await namingHolder(locked, lockRoot(locked, answer, taken)));
  const state = openSiteState(config);
  if (!unlocked) stack.use(await namingHolder(locked, lockState(locked, answer)));
  const refused = new AbortController();
  const connect = (some: readonly Destination[]): Transport[] =>
    connectAll({ ...config, destinations: some }, state.path, report).map((transport, index) => {
      const apart = keptApart(transport, {
        root: config.source.root,
        tag: config.source.tag,
        statePath: state.path,
        identity: some[index]?.identity ?? transport.label,
        onOverlap: (message, hint) => refused.abort(new UserError(message, { hint })),
      });
      return stack.use(apart);
    });
  const destinations = connect(config.destinations);
  const bestEffort = connect(config.bestEffort);
  const held = stack.move();
  return {
    config,
    configPath: path,
    state,
    destinations,
    bestEffort,
    refused: refused.signal,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
};

/** The error of a lock that another process holds, with what that one says of itself. */
const namingHolder = async <T>(site: LockedSite, locking: Promise<T>): Promise<T> => {
  try {
    return await locking;
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== 4) throw error;
    const holder = await askActivity(site);
    if (holder === undefined) throw error;
    const message = error.message.replace(/ \(process \d+\)$/, ''); // What it says of itself has the process.
    throw new UserError(`${message}: ${describeHolder(holder)}`, { exitCode: 4, cause: error });
  }
};

const openSiteState = (config: Config): StateFolder => openState(statePathOf(config), config.source.root);

export const statePathOf = ({ state, site }: Config): string => state ?? defaultStatePath(site);

const lockedSite = (config: Config): LockedSite => ({
  name: config.site,
  root: config.source.root,
  state: statePathOf(config),
});

/** The best-effort destinations too: for what reads them, or asks. In the order of the file. */
export const withBestEffort = <Site extends Pick<OpenSite, 'config' | 'destinations' | 'bestEffort'>>(
  site: Site,
): Site => {
  const { config } = site;
  const transports = new Map<Destination, Transport | undefined>([
    ...config.destinations.map((one, index) => [one, site.destinations[index]] as const),
    ...config.bestEffort.map((one, index) => [one, site.bestEffort[index]] as const),
  ]);
  const all = allDestinations(config);
  const destinations = all.flatMap((one) => transports.get(one) ?? []);
  return { ...site, config: { ...config, destinations: all, bestEffort: [] }, destinations, bestEffort: [] };
};

/** The transports of a site's required destinations, in their order. Nothing is opened yet. */
export const connectAll = (
  { site, source, destinations, send }: Config,
  statePath: string,
  report: Report,
): Transport[] =>
  destinations.map(({ plugin, options, place }) =>
    plugin.connect(options, {
      site,
      owner: createHash('sha256').update(`${site}\0${source.root}`).digest('hex').slice(0, 8),
      stateFolder: join(statePath, 'transports', String(place)),
      durable: send.durable,
      get bandwidth() {
        return rateAt(send.bandwidth, new Date());
      },
      log: (level, message) => report({ type: 'note', level, message }),
    }),
  );
