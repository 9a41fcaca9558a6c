import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import type { Name } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import type { SiteLabels } from '../../status/count-directory.ts';
import { readStatus } from '../../status/read-status.ts';
import { namesOf } from './named-directories.ts';
import { connectAll, readConfig, statePathOf } from './open-site.ts';

export interface StatusOptions extends CommonOptions {
  readonly watch?: boolean;
  readonly check?: boolean;
  readonly warn?: string;
  readonly crit?: string;
}

export interface StatusSource {
  readonly config: Config;
  readonly read: () => ReturnType<typeof readStatus>;
}

/** @throws UserError where the configuration cannot be used, or a directory that is named is none of the site */
export const statusSource = async (
  named: readonly string[],
  options: CommonOptions,
  report: Report,
): Promise<StatusSource> => {
  const config = await readConfig(options, report);
  const statePath = statePathOf(config);
  const labels = await labelsOf(config, statePath, report);
  const only: ReadonlySet<Name> | undefined = namesOf(config.source, named);
  return { config, read: () => readStatus(config, statePath, labels, only) };
};

/** How `finished.watch` names the destinations. Nothing is connected for that. */
const labelsOf = async (config: Config, statePath: string, report: Report): Promise<SiteLabels> => {
  await using stack = new AsyncDisposableStack();
  const labels = (destinations: Config['destinations']): string[] =>
    connectAll({ ...config, destinations }, statePath, report).map((transport) => stack.use(transport).label);
  return { required: labels(config.destinations), bestEffort: labels(config.bestEffort) };
};
