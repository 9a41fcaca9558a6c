import { createHash } from 'node:crypto';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type Config } from '../config.ts';
import type { Report } from '../events.ts';
import { findConfig } from '../find-config.ts';
import { lockRoot } from '../lock.ts';
import { checkRoot } from '../scanner.ts';
import { defaultStatePath, openState, type StateFolder } from '../state.ts';
import type { Transport } from '../transport.ts';
import { bundledTransport, bundledTransportNames } from '../transports/index.ts';
import type { CommonOptions } from '../program.ts';

/** Finds and reads the site's configuration. */
export const readConfig = async ({ config: flag }: CommonOptions, report: Report): Promise<Config> => {
  const env = process.env.ISOCKET_CONFIG;
  const { path, input } = await findConfig({
    ...(flag === undefined ? {} : { flag }),
    ...(env === undefined ? {} : { env }),
    cwd: process.cwd(),
    home: homedir(),
  });
  report({ type: 'config', path });
  return parseConfig(input, {
    path,
    hostname: hostname(),
    transport: bundledTransport,
    transportNames: bundledTransportNames,
  });
};

/** A site that this process alone works on. */
export interface OpenSite extends AsyncDisposable {
  readonly config: Config;
  readonly state: StateFolder;
  readonly destinations: readonly Transport[];
}

export interface OpenOptions {
  /** Only for what changes nothing: beside another isocket. */
  readonly unlocked?: boolean;
}

/**
 * Locks the root and makes the transports ready; they connect when first needed.
 * @throws UserError: the configuration, the root or the state cannot be used, or another isocket works on the root
 */
export const openSite = async (
  options: CommonOptions,
  report: Report,
  { unlocked = false }: OpenOptions = {},
): Promise<OpenSite> => {
  const config = await readConfig(options, report);
  checkRoot(config.source.root);
  await using stack = new AsyncDisposableStack();
  if (!unlocked) stack.use(await lockRoot(config.source.root));
  const state = openSiteState(config);
  const destinations = connectAll(config, state, report);
  for (const transport of destinations) stack.use(transport);
  const held = stack.move();
  return { config, state, destinations, [Symbol.asyncDispose]: () => held.disposeAsync() };
};

export const openSiteState = (config: Config): StateFolder => openState(config.state ?? defaultStatePath(config.site));

const connectAll = ({ site, source, destinations, send }: Config, state: StateFolder, report: Report): Transport[] =>
  destinations.map(({ plugin, options }, index) =>
    plugin.connect(options, {
      site,
      owner: createHash('sha256').update(`${site}\0${source.root}`).digest('hex').slice(0, 8),
      stateFolder: join(state.path, 'transports', String(index)),
      durable: send.durable,
      bandwidth: send.bandwidth,
      log: (level, message) => report({ type: 'note', level, message }),
    }),
  );
