import { posix } from 'node:path';
import { showPath, valueAt, type ConfigProblem } from '../core/config-problems.ts';
import type { Destination } from './config.ts';

/** A destination and where it is written: "destination.1". */
export interface PlacedDestination {
  readonly at: string;
  readonly destination: Destination;
}

/** Pure. Destinations that are one place: two copies would be one. */
export const sameDestinations = (all: readonly PlacedDestination[]): ConfigProblem[] => {
  const first = new Map<string, string>();
  return all.flatMap(({ at, destination }): ConfigProblem[] => {
    const place = placeOf(destination);
    const earlier = first.get(place);
    if (earlier === undefined) {
      first.set(place, at);
      return [];
    }
    const message = `the same place as ${showPath(earlier)}: what counts as two copies would be one; remove one of them, or correct its host, port, user or path`;
    return [{ path: at, found: undefined, expected: 'another place', message }];
  });
};

/** By whatever transport; of a transport with a section of its own all that is in it. */
const placeOf = ({ options, identity }: Destination): string => {
  const [host, port = 22, user, path] = ['host', 'port', 'user', 'path'].map((key) => valueAt(options, [key]));
  if (typeof host !== 'string' || typeof path !== 'string') return placeOfRemote(options) ?? identity;
  return JSON.stringify([host.toLowerCase(), port, user, posix.normalize(`${path}/`)]);
};

/** Of `transport: rclone`; a folder of this host may be written in many ways. */
const placeOfRemote = (options: unknown): string | undefined => {
  const [remote, config] = ['remote', 'config'].map((key) => valueAt(options, [key]));
  if (typeof remote !== 'string') return undefined;
  const [, name = '', path = ''] = /^(:?[^:/]*(?:,.*)?:)?(.*)$/s.exec(remote) ?? [];
  return JSON.stringify([name === ':local:' ? '' : name, posix.normalize(`${path}/`), config ?? '']);
};
