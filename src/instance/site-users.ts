import { lstatSync, statSync } from 'node:fs';
import { fsPath } from '../name.ts';
import type { LockedSite } from './address.ts';

/** The users that an isocket of this site may run as: root, this process's, and the owners of the root and of the state folder. */
export const siteUsers = ({ root, state }: LockedSite): ReadonlySet<number> => {
  const owners = [
    () => lstatSync(fsPath(root), { throwIfNoEntry: false })?.uid,
    () => statSync(state, { throwIfNoEntry: false })?.uid,
  ].flatMap((read) => {
    try {
      return read() ?? [];
    } catch {
      return []; // It may not be looked at from here.
    }
  });
  return new Set([0, process.geteuid?.() ?? 0, ...owners]);
};
