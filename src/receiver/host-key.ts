import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';
import { systemErrorCode, UserError } from '../errors.ts';
import { makeFolders } from '../host/make-folders.ts';

/**
 * Reads the host key from a file, or generates it there with mode 0600.
 * @returns the private key in OpenSSH's format
 * @throws UserError for a file that others may read, that is not a private key, or that cannot be read or created
 */
export const loadHostKey = (file: string, comment = 'isocket receive'): string => {
  try {
    return readHostKey(file) ?? makeHostKey(file, comment);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const hint = 'let this user read and write it, or give another file with --host-key';
    throw new UserError(`Cannot use the host key "${file}": ${systemErrorCode(error) ?? String(error)}`, {
      hint,
      cause: error,
    });
  }
};

/**
 * Several keys side by side.
 * @throws UserError as `loadHostKey`, and for two of one kind: clients are shown one of each
 */
export const loadHostKeys = (files: readonly string[]): readonly string[] => {
  const byKind = new Map<string, string>();
  return files.map((file) => {
    const text = loadHostKey(file);
    const { type } = parseHostKey(text);
    const other = byKind.get(type);
    if (other !== undefined)
      throw new UserError(`Cannot use the host keys "${other}" and "${file}" together: both are of the kind ${type}`, {
        hint: 'give one of a kind with --host-key: a client that knows the other one would refuse the connection',
      });
    byKind.set(type, file);
    return text;
  });
};

/** @throws Error for anything but an unencrypted private key */
export const parseHostKey = (text: string | Buffer): ParsedKey => {
  const key: unknown = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  if (!isPrivateKey(key)) throw new Error('not a private key');
  return key;
};

const isPrivateKey = (key: unknown): key is ParsedKey =>
  typeof key === 'object' && key !== null && 'isPrivateKey' in key && (key as ParsedKey).isPrivateKey();

const readHostKey = (file: string): string | undefined => {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile())
      throw new UserError(`Cannot use the host key "${file}": it is not a file`, {
        hint: 'give a file with --host-key',
      });
    if (stats.mode & 0o077) {
      throw new UserError(`Cannot use the host key "${file}": other users may read or change it`, {
        hint: `run: chmod 600 '${file}' - or, if others may have read it, delete it: a new one is generated`,
      });
    }
    const text = readFileSync(fd, 'utf8');
    assertHostKey(file, text);
    return text;
  } finally {
    closeSync(fd);
  }
};

const assertHostKey = (file: string, text: string): void => {
  try {
    parseHostKey(text);
  } catch (cause) {
    throw new UserError(`Cannot use the host key "${file}": it is not a private key without a passphrase`, {
      hint: 'delete it, and a new one is generated, or give another file with --host-key',
      cause,
    });
  }
};

/** Written as a temporary file and linked: the key appears whole, and never replaces one that another process made meanwhile. */
const makeHostKey = (file: string, comment: string): string => {
  const folder = dirname(file);
  makeFolders(folder, 0o700);
  const temporary = join(folder, `.isocket-host-key-${randomUUID()}`);
  const key = generateHostKey(comment);
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(fd, key);
    fsyncSync(fd);
    // The umask may have removed the owner's bits.
    chmodSync(temporary, 0o600);
    linkSync(temporary, file);
    return key;
  } catch (error) {
    const made = systemErrorCode(error) === 'EEXIST' ? readHostKey(file) : undefined;
    if (made === undefined) throw error;
    return made;
  } finally {
    closeSync(fd);
    unlinkSync(temporary);
  }
};

/** ssh2 1.17 generates a broken ed25519 key about once in 180 (11 of 2,000 measured), so each is tested before use. */
const generateHostKey = (comment: string): string => {
  for (;;) {
    const text = ssh2.utils.generateKeyPairSync('ed25519', { comment }).private;
    if (isUsable(text)) return text;
  }
};

const isUsable = (text: string): boolean => {
  try {
    const key = parseHostKey(text);
    const probe = Buffer.from('isocket');
    const verified: unknown = key.verify(probe, key.sign(probe));
    // 4 + "ssh-ed25519" + 4 + 32 bytes
    return verified === true && key.getPublicSSH().length === 51;
  } catch {
    return false;
  }
};
