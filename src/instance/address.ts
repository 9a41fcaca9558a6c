import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';

/** What one isocket works on, and another one may not work on meanwhile. */
export interface LockedSite {
  /** The site's name: two sites on one root have a lock each. */
  readonly name: string;
  readonly root: Name;
  /** The state folder's path. */
  readonly state: string;
}

/** The address of a site's lock socket in the kernel's abstract namespace; its holder answers there. */
export const abstractAddress = ({ name, root }: LockedSite): string => {
  const { dev, ino } = lstatSync(fsPath(root), { bigint: true });
  const site = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `\0isocket/root/${dev}:${ino}/${site}`;
};
