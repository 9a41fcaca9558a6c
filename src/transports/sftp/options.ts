import { z } from 'zod';
import { ConfigError, problemsOf } from '../../config-problems.ts';

/** The `destination` section of an `sftp` destination, with every default filled in: contract.md §6. */
export interface SftpOptions {
  readonly host: string;
  readonly port: number;
  /** undefined: the user that runs isocket. */
  readonly user: string | undefined;
  /** Where directories go; without a slash at the end. */
  readonly path: string;
  readonly identityFile: string;
  readonly agent: boolean;
  readonly passphraseFile: string | undefined;
  readonly knownHosts: string;
  readonly allowDeleteFirst: boolean;
}

// What ssh would take for an option, and what is no name of a host or user.
const HARMLESS = /^[^\s\p{Cc}-][^\s\p{Cc}]*$/u;

export const sftpOptionsSchema = z.strictObject({
  transport: z.literal('sftp'),
  host: z.string().regex(HARMLESS, { error: 'the name or address of a host' }),
  path: z.string().regex(/^[^\0]+$/, { error: 'a path at the destination' }),
  port: z.int().min(1).max(65535).default(22),
  user: z.string().regex(HARMLESS, { error: 'the name of a user' }).optional(),
  identityFile: z.string().min(1).default('~/.ssh/id_ed25519'),
  agent: z.boolean().default(false),
  passphraseFile: z.string().min(1).optional(),
  ssh: z.literal('builtin').default('builtin'),
  knownHosts: z.string().min(1).default('~/.ssh/known_hosts'),
  allowDeleteFirst: z.boolean().default(false),
});

/** Pure. @throws ConfigError with every problem of the section */
export const parseSftpOptions = (input: Readonly<Record<string, unknown>>): SftpOptions => {
  const parsed = sftpOptionsSchema.safeParse(input);
  if (!parsed.success) throw new ConfigError('destination', problemsOf(parsed.error, input, sftpOptionsSchema));
  const { host, port, user, path, identityFile, agent, passphraseFile, knownHosts, allowDeleteFirst } = parsed.data;
  // "/" becomes "": what is below it begins with a slash all the same.
  return {
    host,
    port,
    user,
    path: path.replace(/\/+$/, ''),
    identityFile,
    agent,
    passphraseFile,
    knownHosts,
    allowDeleteFirst,
  };
};
