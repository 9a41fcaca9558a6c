import { readFile, stat } from 'node:fs/promises';
import { shellWord } from '../name.ts';
import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';

/** A key of the configuration that names a file with a secret. */
export type SecretKey = 'identityFile' | 'passphraseFile';

const problem = (key: SecretKey, path: string, state: string, hint: string, cause?: unknown): TransportError =>
  new TransportError('auth', `Cannot use destination.${key} "${path}": ${state}`, { hint, cause });

/**
 * Reads a file that nobody else may read: as ssh has it, the rule is for files of the user that runs isocket.
 * @throws TransportError `auth`
 */
export const readSecret = async (key: SecretKey, path: string): Promise<string> => {
  try {
    const { uid, mode } = await stat(path);
    if (uid === process.geteuid?.() && (mode & 0o077) !== 0 && (mode & 0o170000) === 0o100000)
      throw problem(key, path, 'others than its owner may read or write it', `chmod 600 ${shellWord(path)}`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw new TransportError('auth', `Cannot read destination.${key} "${path}": ${plainMessage(error)}`, {
      hint: unreadableHint(key, path, systemErrorCode(error)),
      cause: error,
    });
  }
};

const unreadableHint = (key: SecretKey, path: string, code: string | undefined): string => {
  if (code === 'EISDIR') return `name the file in it with destination.${key}`;
  if (code !== 'ENOENT' && code !== 'ENOTDIR')
    return `let the user that runs isocket read it, and enter the folders above it`;
  return key === 'passphraseFile'
    ? 'write the passphrase of the key into that file, and chmod 600 it; or correct destination.passphraseFile'
    : `correct destination.identityFile, or make a key: ssh-keygen -t ed25519 -N '' -f ${shellWord(path)}`;
};

const PUBLIC = /^(?:(?:ssh|ecdsa|sk)-\S+ AAAA|-{4,5} ?BEGIN (?:SSH2 )?(?:RSA )?PUBLIC KEY)/;

/** What is wrong with the text of a private key. Pure. @param reason as ssh2 says it; undefined: nothing */
export const keyProblem = (path: string, text: string, reason: Error | undefined): TransportError | undefined => {
  const say = (state: string, hint: string): TransportError => problem('identityFile', path, state, hint, reason);
  if (PUBLIC.test(text.trimStart())) {
    const hint = path.endsWith('.pub')
      ? `name the private key: ${path.slice(0, -'.pub'.length)}`
      : 'name the private key';
    return say('it is a public key', hint);
  }
  if (reason === undefined) return undefined;
  if (/no passphrase given/i.test(reason.message))
    return say(
      'it is encrypted',
      'name a file with its passphrase with destination.passphraseFile, or set ISOCKET_PASSPHRASE in the environment',
    );
  if (/bad passphrase/i.test(reason.message))
    return say(
      'the passphrase is not that of this key',
      'correct the file of destination.passphraseFile, or ISOCKET_PASSPHRASE in the environment',
    );
  if (/unsupported key format/i.test(reason.message))
    return say(
      'it is no private key',
      'name one of OpenSSH, PEM or PuTTY; with ssh: system, whatever the ssh program takes',
    );
  return say(reason.message, 'name another key, or let the ssh program read it: ssh: system');
};
