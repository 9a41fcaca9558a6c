import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { fillCommand, finishedElsewhere, ONE_ROOT_ONE_SITE, type OwnSite } from '../marks/finished-elsewhere.ts';
import { showName, type Name } from '../name.ts';
import type { ProbeResult } from '../transport.ts';

const MOST_NAMED = 5;

/** Finished directories of which a destination that was added or changed since has nothing. Undefined where there is none. */
export const elsewhereLine = (
  root: Name,
  directories: readonly DirectorySnapshot[],
  own: OwnSite,
): ProbeResult | undefined => {
  const found = finishedElsewhere(root, directories, own);
  if (found.length === 0) return undefined;
  const first = found.slice(0, MOST_NAMED);
  const more = found.length > MOST_NAMED ? ` and ${found.length - MOST_NAMED} more` : '';
  const lacked = [...new Set(found.flatMap(({ lacks }) => lacks))].map(showName).join(', ');
  const others = [...new Set(found.flatMap(({ by }) => by ?? []))].map(showName);
  return {
    what: 'other destination',
    state: 'warning',
    message: `finished before ${lacked} was a destination, and not sent there: ${first.map(({ name }) => showName(name)).join(', ')}${more}`,
    hint: `to send them there: ${fillCommand(first)}${others.length === 0 ? '' : `; some were finished by the site ${others.join(', ')}: ${ONE_ROOT_ONE_SITE}`}`,
  };
};
