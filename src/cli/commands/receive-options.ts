import type { ReceiveSection } from '../../config/config.ts';
import { parseReceiveSection } from '../../config/parse-config.ts';
import { UserError } from '../../errors.ts';
import type { Report } from '../../core/events.ts';
import type { CommonOptions } from '../options.ts';
import { expandHome } from '../../ssh/login.ts';
import { findConfigFor } from './open-site.ts';

export interface ReceiveOptions {
  readonly root: string;
  /** HOST:PORT, or [ADDRESS]:PORT for IPv6. */
  readonly listen: string;
  /** A file. */
  readonly authorizedKeys: string;
  /** A file; made where there is none. */
  readonly hostKey?: string;
  /** Clients add files, and change none that is complete. */
  readonly appendOnly?: boolean;
}

/** What the command line gives. */
export type ReceiveFlags = CommonOptions & Partial<ReceiveOptions>;

const NEEDED = { root: '--root', listen: '--listen', authorizedKeys: '--authorized-keys' } as const;

/**
 * contract.md §8: options, or the section `receive`; an option goes before it. A configuration is looked for where an option that
 * is needed is not given, or a file is named.
 * @throws UserError where something that is needed stands in neither
 */
export const receiveOptions = async (flags: ReceiveFlags, report: Report): Promise<ReceiveOptions> => {
  const section =
    missingIn(flags) !== undefined || flags.config !== undefined ? await readSection(flags, report) : null;
  const root = flags.root ?? section?.root;
  const listen = flags.listen ?? section?.listen;
  const authorizedKeys = flags.authorizedKeys ?? (section === null ? undefined : expandHome(section.authorizedKeys));
  if (root === undefined || listen === undefined || authorizedKeys === undefined) {
    throw notGiven(flags, 'the configuration has no section "receive"');
  }
  const hostKey = flags.hostKey ?? (typeof section?.hostKey !== 'string' ? undefined : expandHome(section.hostKey));
  return {
    root,
    listen,
    authorizedKeys,
    ...(hostKey === undefined ? {} : { hostKey }),
    appendOnly: flags.appendOnly ?? section?.appendOnly ?? false,
  };
};

const missingIn = (flags: ReceiveFlags): string | undefined => {
  const missing = (['root', 'listen', 'authorizedKeys'] as const).filter((option) => flags[option] === undefined);
  return missing.length === 0 ? undefined : missing.map((option) => NEEDED[option]).join(', no ');
};

const readSection = async (flags: ReceiveFlags, report: Report): Promise<ReceiveSection | null> => {
  let found;
  try {
    found = await findConfigFor(flags, report);
  } catch (error) {
    if (flags.config !== undefined || !(error instanceof UserError)) throw error;
    throw notGiven(flags, 'there is no configuration', error);
  }
  return parseReceiveSection(found.input, found.path);
};

const notGiven = (flags: ReceiveFlags, instead: string, cause?: unknown): UserError =>
  new UserError(`Cannot receive: no ${missingIn(flags) ?? 'option'} is given, and ${instead}`, {
    hint: 'give --root, --listen and --authorized-keys, or write a section "receive" into .isocketrc',
    cause,
  });
