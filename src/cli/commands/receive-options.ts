import type { ReceiveSection } from '../../config/config.ts';
import { withLines } from '../../config/find-line.ts';
import { parseReceiveSection } from '../../config/parse-config.ts';
import { UserError } from '../../errors.ts';
import type { Report } from '../../core/events.ts';
import type { ReceiverLimits } from '../../core/receiver-limits.ts';
import type { CommonOptions } from '../options.ts';
import { expandHome } from '../../ssh/key-file.ts';
import { obeyedReceiveSection } from './obeyed-config.ts';
import { findConfigFor } from './open-site.ts';

export interface ReceiveOptions {
  readonly root: string;
  /** HOST:PORT, or [ADDRESS]:PORT for IPv6. */
  readonly listen: string;
  /** A file. */
  readonly authorizedKeys: string;
  /** A file; generated if missing. */
  readonly hostKey?: string | readonly string[];
  /** Clients can add files, and cannot change complete ones. */
  readonly appendOnly?: boolean;
  /** A complete file may be replaced, and stays beside as `name.~N~`. */
  readonly keepVersions?: boolean;
  /** A new file has a temporary name until its CLOSE. */
  readonly atomicPuts?: boolean;
  /** Otherwise root is refused. */
  readonly allowRoot?: boolean;
  readonly limits?: Partial<ReceiverLimits>;
  /** Where it is asked how it goes. */
  readonly status?: ReceiverStatusOptions;
}

export interface ReceiverStatusOptions {
  /** HOST:PORT, or a port of 127.0.0.1. */
  readonly listen: string | null;
  /** A file for the collector of a node exporter. */
  readonly textfile: string | null;
}

/** The options as given on the command line. */
export type ReceiveFlags = CommonOptions &
  Partial<Omit<ReceiveOptions, 'status'>> & { readonly statusListen?: string; readonly statusTextfile?: string };

const REQUIRED = { root: '--root', listen: '--listen', authorizedKeys: '--authorized-keys' } as const;

/**
 * contract.md §8: command-line options, which take precedence over the section `receive` of the configuration. It is only read
 * where a required option is missing, or with --config.
 * @throws UserError where a required option is in neither
 */
export const receiveOptions = async (flags: ReceiveFlags, report: Report): Promise<ReceiveOptions> => {
  const section =
    missingIn(flags) !== undefined || flags.config !== undefined ? await readSection(flags, report) : null;
  const root = flags.root ?? section?.root;
  const listen = flags.listen ?? section?.listen;
  const authorizedKeys = flags.authorizedKeys ?? (section === null ? undefined : expandHome(section.authorizedKeys));
  if (root === undefined || listen === undefined || authorizedKeys === undefined) {
    throw missingOptions(flags, 'the configuration has no section "receive"');
  }
  const hostKey =
    flags.hostKey ??
    (section?.hostKey === null || section?.hostKey === undefined
      ? undefined
      : [section.hostKey].flat().map(expandHome));
  const appendOnly = flags.appendOnly ?? section?.appendOnly ?? false;
  const keepVersions = flags.keepVersions ?? section?.keepVersions ?? false;
  if (keepVersions && !appendOnly)
    throw new UserError('Cannot keep versions: clients may change everything, the versions too', {
      hint: 'give --append-only with --keep-versions (receive.appendOnly with receive.keepVersions)',
    });
  return {
    root,
    listen,
    authorizedKeys,
    ...(hostKey === undefined ? {} : { hostKey }),
    appendOnly,
    keepVersions,
    atomicPuts: flags.atomicPuts ?? section?.atomicPuts ?? false,
    allowRoot: flags.allowRoot ?? section?.allowRoot ?? false,
    ...(section === null ? {} : { limits: section.limits }),
    status: {
      listen: flags.statusListen ?? section?.status.listen ?? null,
      textfile: flags.statusTextfile ?? section?.status.textfile ?? null,
    },
  };
};

const missingIn = (flags: ReceiveFlags): string | undefined => {
  const missing = (['root', 'listen', 'authorizedKeys'] as const).filter((option) => flags[option] === undefined);
  return missing.length === 0 ? undefined : missing.map((option) => REQUIRED[option]).join(', no ');
};

const readSection = async (flags: ReceiveFlags, report: Report): Promise<ReceiveSection | null> => {
  let found;
  try {
    found = await findConfigFor(flags, report);
  } catch (error) {
    if (flags.config !== undefined || !(error instanceof UserError)) throw error;
    throw missingOptions(flags, 'there is no configuration', error);
  }
  const section = withLines(found.path, () => parseReceiveSection(found.input, found.path));
  return section === null ? null : obeyedReceiveSection(section, found.path, report);
};

const missingOptions = (flags: ReceiveFlags, instead: string, cause?: unknown): UserError =>
  new UserError(`Cannot receive: no ${missingIn(flags) ?? 'option'} is given, and ${instead}`, {
    hint: 'give --root, --listen and --authorized-keys, or write a section "receive" into .isocketrc',
    cause,
  });
