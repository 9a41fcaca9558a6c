import type { StartedEvent } from '../../core/events.ts';
import { readVersion } from '../version.ts';
import type { OpenSite } from './open-site.ts';

/** The line that says who works on what. */
export const startedEvent = (
  command: StartedEvent['command'],
  {
    config,
    configPath,
    destinations,
    bestEffort,
  }: Pick<OpenSite, 'config' | 'configPath' | 'destinations' | 'bestEffort'>,
): StartedEvent => ({
  type: 'started',
  command,
  version: readVersion(),
  pid: process.pid,
  config: configPath,
  site: config.site,
  root: config.source.root,
  destinations: destinations.map(({ label }) => label),
  ...(bestEffort.length === 0 ? {} : { bestEffort: bestEffort.map(({ label }) => label) }),
});
