import { z } from 'zod';
import { ConfigError, problemsOf } from '../../core/config-problems.ts';
import { destinationPath, hostKey, localFile } from '../../core/destination-words.ts';
import type { SshOptions } from '../../ssh/connect.ts';
import { DEFAULT_KNOWN_HOSTS } from '../../ssh/host-key.ts';
import { openSshKeys, openSshLogin, userName } from '../../ssh/program/options.ts';

/** The `destination` section of an `sftp` destination, with every default filled in: contract.md §6. */
export interface SftpOptions extends SshOptions {
  /** Where directories go; without a slash at the end. */
  readonly path: string;
  readonly allowDeleteFirst: boolean;
}

const PORT = 'a whole number from 1 to 65535';
const FILE = 'a file';

const file = localFile(z.string().regex(/^[^\0]+$/, { error: FILE }));

export const sftpOptionsSchema = z.strictObject({
  transport: z.literal('sftp'),
  host: hostKey.describe('Any SSH server with SFTP, or "isocket receive"'),
  path: destinationPath(z.string().regex(/^[^\0]+$/, { error: 'a path at the destination' })).describe(
    'DC1/sub/file lands below it',
  ),
  port: z
    .int({ error: PORT })
    .min(1, { error: PORT })
    .max(65535, { error: PORT })
    .default(22)
    .describe('Of the SSH server'),
  user: userName.optional().describe('Default: the user that runs isocket'),
  identityFile: file.default('~/.ssh/id_ed25519').describe('The private key'),
  agent: z.boolean().default(false).describe('Keys from the ssh agent instead'),
  passphraseFile: file.optional().describe('For an encrypted key; or ISOCKET_PASSPHRASE in the environment'),
  ssh: z
    .enum(['builtin', 'system'])
    .default('builtin')
    .describe(
      'system: through the ssh program, for certificates, ProxyJump, FIDO keys and whatever else ssh_config says; what is not written here is as ssh has it',
    ),
  knownHosts: file
    .default(DEFAULT_KNOWN_HOSTS)
    .describe('An unknown or changed host key is refused, always. With the default also /etc/ssh/ssh_known_hosts'),
  allowDeleteFirst: z
    .boolean()
    .default(false)
    .describe('A server that cannot replace a file atomically may delete the old one first'),
});

const systemLogin = z.object(openSshKeys);

/** Pure. @throws ConfigError with every problem of the section */
export const parseSftpOptions = (input: Readonly<Record<string, unknown>>): SftpOptions => {
  const parsed = sftpOptionsSchema.safeParse(input);
  if (!parsed.success) throw new ConfigError('destination', problemsOf(parsed.error, input, sftpOptionsSchema));
  // Defaults of isocket must not override `ssh_config`: the ssh program gets only what the configuration has.
  const system = parsed.data.ssh === 'system' ? systemLogin.safeParse(input) : undefined;
  if (system?.success === false) throw new ConfigError('destination', problemsOf(system.error, input, systemLogin));
  const { host, port, user, path, identityFile, agent, passphraseFile, knownHosts, allowDeleteFirst } = parsed.data;
  // "/" becomes "": paths below it are joined with a slash.
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
    system: system === undefined ? undefined : openSshLogin(system.data),
  };
};
