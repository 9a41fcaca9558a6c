import { readFile, stat } from 'node:fs/promises';
import { shellWord } from '../name.ts';
import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import { homeFolder } from '../host/home.ts';

/** A file with a secret, as messages call it: by the key of the configuration that names it. */
export type SecretKey = 'destination.identityFile' | 'destination.passphraseFile' | 'the private key';

/** @throws TransportError `auth` for "~/" where the user has no home */
export const expandHome = (path: string): string => {
  if (!path.startsWith('~/')) return path;
  const home = homeFolder();
  if (home !== undefined) return home + path.slice(1);
  throw new TransportError('auth', `Cannot find "${path}": user ${process.geteuid?.()} has no home`, {
    hint: 'write an absolute path, or set HOME',
  });
};

const problem = (key: SecretKey, path: string, state: string, hint: string, cause?: unknown): TransportError =>
  new TransportError('auth', `Cannot use ${key} "${path}": ${state}`, { hint, cause });

/**
 * Reads a file that nobody else may read: as ssh has it, the rule is for files of the user that runs isocket.
 * @throws TransportError `auth`
 */
export const readSecret = async (key: SecretKey, path: string): Promise<string> => {
  try {
    const { uid, mode } = await stat(path);
    const isOpen = uid === process.geteuid?.() && (mode & 0o077) !== 0 && (mode & 0o170000) === 0o100000;
    const text = await readFile(path, 'utf8');
    // Of a public key anybody may know: that it is one is what is wrong.
    if (key !== 'destination.passphraseFile' && isPublicKey(text)) throw isPublic(key, path);
    if (isOpen) throw notTheSecret(key, path, text) ?? problem(key, path, OPEN, `chmod 600 ${shellWord(path)}`);
    return text;
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw new TransportError('auth', `Cannot read ${key} "${path}": ${plainMessage(error)}`, {
      hint: unreadableHint(key, path, systemErrorCode(error)),
      cause: error,
    });
  }
};

const OPEN = 'others than its owner may read or write it';

/** The wrong file was named: its mode may be right for what it is, and others may need it. */
const notTheSecret = (key: SecretKey, path: string, text: string): TransportError | undefined => {
  if (key !== 'destination.passphraseFile') return isPrivateKey(text) ? undefined : isNoKey(key, path);
  if (!text.trimEnd().includes('\n')) return undefined;
  return problem(key, path, 'it has several lines', 'name a file that has the passphrase alone, and chmod 600 that');
};

/** A pipe, say: it can be read once, and not by us where the ssh program is to read it. */
export const isReadOnce = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
};

const unreadableHint = (key: SecretKey, path: string, code: string | undefined): string => {
  if (code === 'EISDIR')
    return `name the file in it with ${key === 'destination.passphraseFile' ? key : 'destination.identityFile'}`;
  if (code !== 'ENOENT' && code !== 'ENOTDIR')
    return `let the user that runs isocket read it, and enter the folders above it`;
  return key === 'destination.passphraseFile'
    ? 'write the passphrase of the key into that file, and chmod 600 it; or correct destination.passphraseFile'
    : `correct destination.identityFile, or make a key: ssh-keygen -t ed25519 -N '' -f ${shellWord(path)}`;
};

const PUBLIC = /^(?:(?:ssh|ecdsa|sk)-\S+ AAAA|-{4,5} ?BEGIN (?:SSH2 )?(?:RSA )?PUBLIC KEY)/;

/** In one of the formats that ssh2 or the ssh program reads. */
export const isPrivateKey = (text: string): boolean => /BEGIN [A-Z0-9 ]*PRIVATE KEY|^PuTTY-User-Key-File-/.test(text);

/** Of a public key alone: no name of a host is before it. */
export const isPublicKey = (text: string): boolean => PUBLIC.test(text.trimStart());

const isPublic = (key: SecretKey, path: string): TransportError =>
  problem(
    key,
    path,
    'it is a public key',
    path.endsWith('.pub') ? `name the private key: ${path.slice(0, -'.pub'.length)}` : 'name the private key',
  );

/** The passphrase of destination.passphraseFile, or of the environment. @throws TransportError `auth` */
export const readPassphrase = async (passphraseFile: string | undefined): Promise<string | undefined> =>
  passphraseFile === undefined
    ? process.env.ISOCKET_PASSPHRASE
    : (await readSecret('destination.passphraseFile', expandHome(passphraseFile))).replace(/\r?\n$/, '');

const isNoKey = (key: SecretKey, path: string, reason?: Error): TransportError =>
  problem(
    key,
    path,
    'it is no private key, or not the whole of one',
    'name one of OpenSSH, PEM or PuTTY; with ssh: system, whatever the ssh program takes',
    reason,
  );

/** What is wrong with the text of a private key. Pure. @param reason as ssh2 says it */
export const keyProblem = (key: SecretKey, path: string, reason: Error): TransportError => {
  const say = (state: string, hint: string): TransportError => problem(key, path, state, hint, reason);
  if (/no passphrase given/i.test(reason.message))
    return say(
      'it is encrypted',
      'name a file with its passphrase with destination.passphraseFile, or set ISOCKET_PASSPHRASE in the environment; or give the key to an agent (ssh-add) and set destination.agent: true',
    );
  if (/bad passphrase/i.test(reason.message))
    return say(
      'the passphrase is not that of this key',
      'correct the file of destination.passphraseFile, or ISOCKET_PASSPHRASE in the environment',
    );
  if (/unsupported key format/i.test(reason.message)) return isNoKey(key, path, reason);
  return say(reason.message, 'name another key, or let the ssh program read it: ssh: system');
};
