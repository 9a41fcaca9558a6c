import { posix } from 'node:path';
import { showPath, valueAt, type ConfigProblem } from '../core/config-problems.ts';
import type { Destination } from './config.ts';

/** A destination and where it is written: "destination.1". */
export interface PlacedDestination {
  readonly at: string;
  readonly destination: Destination;
}

/** A folder, which ends with "/", and the server that has it. */
interface Place {
  readonly server: string;
  readonly folder: string;
}

/**
 * Pure. Destinations that are one place, where two copies would be one, and those of which one lies where the other one's directories go.
 * @param tag what the names of the site's directories begin with
 */
export const sameDestinations = (all: readonly PlacedDestination[], tag: string): ConfigProblem[] => {
  const placed = all.map(({ at, destination }) => ({ at, place: placeOf(destination) }));
  return placed.flatMap(({ at, place }, index): ConfigProblem[] => {
    const same = placed.slice(0, index).find((one) => isSame(one.place, place));
    if (same !== undefined) {
      const message = `the same place as ${showPath(same.at)}: what counts as two copies would be one; remove one of them, or correct its host, port, user or path`;
      return [{ path: at, found: undefined, expected: 'another place', message }];
    }
    const above = placed.find((one) => isInDirectory(place, one.place, tag));
    if (above === undefined) return [];
    const message = `its path is below that of ${showPath(above.at)}, where a directory of the site may come to lie: files of one would replace those of the other; give it a path beside it`;
    return [{ path: at, found: undefined, expected: 'another place', message }];
  });
};

const isSame = (one: Place, other: Place): boolean => one.server === other.server && one.folder === other.folder;

/** Is the first folder on the way from the other place to this one named as a directory of the site may be? */
const isInDirectory = (place: Place, other: Place, tag: string): boolean =>
  place.server === other.server &&
  place.folder !== other.folder &&
  place.folder.startsWith(other.folder) &&
  place.folder.slice(other.folder.length).startsWith(tag);

/** By whatever transport; of a transport with a section of its own all that is in it. */
const placeOf = ({ options, identity }: Destination): Place => {
  const [host, port = 22, user, path] = ['host', 'port', 'user', 'path'].map((key) => valueAt(options, [key]));
  if (typeof host !== 'string' || typeof path !== 'string')
    return placeOfRemote(options) ?? { server: identity, folder: '/' };
  return { server: JSON.stringify([host.toLowerCase(), port, user]), folder: posix.normalize(`${path}/`) };
};

/** Of `transport: rclone`; a folder of this host may be written in many ways. */
const placeOfRemote = (options: unknown): Place | undefined => {
  const [remote, config] = ['remote', 'config'].map((key) => valueAt(options, [key]));
  if (typeof remote !== 'string') return undefined;
  const [, name = '', path = ''] = /^(:?[^:/]*(?:,.*)?:)?(.*)$/s.exec(remote) ?? [];
  return {
    server: JSON.stringify([name === ':local:' ? '' : name, config ?? '']),
    folder: posix.normalize(`${path}/`),
  };
};
