import { z } from 'zod';

/** How the ssh program logs in. undefined: left to ssh (`ssh_config`, the agent, its default keys). */
export interface OpenSshLogin {
  /** A name, an address, or a `Host` of `ssh_config`. */
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly identityFile: string | undefined;
  readonly passphraseFile: string | undefined;
  readonly knownHosts: string | undefined;
}

// No leading dash, which ssh would take for an option, and no character that a host or user name cannot have.
export const HARMLESS = /^[^\s\p{Cc}-][^\s\p{Cc}]*$/u;

/** What belongs to a port or a path is written in a key of its own. An "@" is that of a directory service: "user@corp.example". */
export const userName = z
  .string()
  .regex(/^[^\s\p{Cc}/:@-][^\s\p{Cc}/:]*$/u, { error: 'the name of a user, without "/", ":" and blanks' });

const PORT = 'a whole number from 1 to 65535';

// Inside double quotes ssh has no escape for a quote, nor for ${VARIABLE}.
const file = z.string().regex(/^(?!.*\$\{)[^\p{Cc}"]+$/u, { error: 'a file, without a double quote and "${"' });

/** "user@host:port", without what is undefined. */
export const showLogin = ({ user, host, port }: OpenSshLogin): string =>
  `${user === undefined ? '' : `${user}@`}${host}${port === undefined ? '' : `:${port}`}`;

/** The keys of a `destination` section that say how to log in through the ssh program. */
export const openSshKeys = {
  host: z
    .string()
    .regex(HARMLESS, { error: 'the name or address of a host' })
    .describe('A name, an address, or a Host of ssh_config'),
  port: z
    .int({ error: PORT })
    .min(1, { error: PORT })
    .max(65535, { error: PORT })
    .optional()
    .describe('Default: as ssh'),
  user: userName.optional().describe('Default: as ssh'),
  identityFile: file.optional().describe('The private key. Default: as ssh'),
  agent: z.boolean().default(false).describe('Keys from the ssh agent instead'),
  passphraseFile: file.optional().describe('For an encrypted key; or ISOCKET_PASSPHRASE in the environment'),
  knownHosts: file
    .optional()
    .describe('An unknown or changed host key is refused, always. Default: as ssh, and ~/.ssh/known_hosts'),
};

/** Pure. Checked keys of the configuration → login. */
export const openSshLogin = ({ agent, ...login }: z.infer<z.ZodObject<typeof openSshKeys>>): OpenSshLogin => ({
  host: login.host,
  port: login.port,
  user: login.user,
  identityFile: agent ? undefined : login.identityFile,
  passphraseFile: login.passphraseFile,
  knownHosts: login.knownHosts,
});
