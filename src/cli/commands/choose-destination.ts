import { UserError } from '../../errors.ts';
import { showName } from '../../name.ts';
import type { Transport } from '../../transport.ts';
import { ownCommand } from '../../host/own-command.ts';

export const isReadable = ({ fetch, listTree }: Transport): boolean => fetch !== undefined && listTree !== undefined;

/**
 * The destination from which something is read: the first that can be, or the one that `--from` names, by its number, its label or a part of it.
 * @throws UserError
 */
export const chooseDestination = (destinations: readonly Transport[], from: string | undefined): Transport => {
  if (from === undefined) {
    const first = destinations.find(isReadable);
    if (first !== undefined) return first;
    throw cannotRead(destinations[0]?.label ?? 'the destination');
  }
  const chosen = findDestination(destinations, from, '--from ');
  if (isReadable(chosen)) return chosen;
  throw cannotRead(chosen.label);
};

/**
 * The one destination that a word names: its number, its label or a part of it.
 * @param flag before the word on the command line
 * @throws UserError
 */
export const findDestination = (destinations: readonly Transport[], from: string, flag: string): Transport => {
  const exact = destinations.find(({ label }, index) => label === from || String(index + 1) === from);
  // A number is one, and no part of an address.
  const isNumber = /^\d+$/.test(from);
  const named = isNumber || from === '' ? [] : destinations.filter(({ label }) => label.includes(from));
  const alike = exact === undefined ? named : [exact];
  const [only] = alike;
  if (only !== undefined && alike.length === 1) return only;
  throw new UserError(
    `Cannot use ${flag}"${showName(from)}": ${alike.length > 1 ? 'it fits several destinations' : 'there is no such destination'}`,
    {
      hint: `name one of these, or its number: ${destinations.map(({ label }, index) => `${index + 1} ${showName(label)}`).join(', ')}`,
    },
  );
};

const cannotRead = (label: string): UserError =>
  new UserError(`Cannot read from ${showName(label)}: its transport only sends`, {
    hint: `copy the directories back with another program, then: ${ownCommand('verify', '--checksum')} DIR; docs/writing-a-transport.md says what fetch and listTree must do`,
  });
