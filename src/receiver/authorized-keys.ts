import { createHash, timingSafeEqual } from 'node:crypto';
import ssh2, { type ParsedKey, type PublicKeyAuthContext } from 'ssh2';

/** Keys that may log in. */
export interface AuthorizedKeys {
  readonly size: number;
  /** The owner's word on a refused line, one sentence each with its line number. */
  readonly warnings: readonly string[];
  /**
   * Whether this attempt may go on: with a signature, whether it is right; without one, whether the key is known.
   */
  readonly allows: (attempt: PublicKeyAuthContext) => boolean;
}

const KEY_TYPE = /^(?:ssh-|ecdsa-|sk-)/;
/** Options that only take away what the receiver never gives. Any other could restrict more than we enforce. */
const HARMLESS_OPTION = /^(?:restrict|no-(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding))$/i;

/** The text of an `authorized_keys` file → its keys. A line that is not understood to the full lets nobody in. */
export const parseAuthorizedKeys = (text: string): AuthorizedKeys => {
  const keys: ParsedKey[] = [];
  const warnings: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const parsed = parseLine(line);
    if (typeof parsed === 'string') warnings.push(`line ${index + 1} of the authorized keys lets nobody in: ${parsed}`);
    else keys.push(parsed);
  }
  return { size: keys.length, warnings, allows: (attempt) => keys.some((key) => matches(key, attempt)) };
};

/** As `ssh-keygen -l` prints it. */
export const fingerprintOf = (publicKey: Buffer): string =>
  `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`;

/** The key, or why there is none. */
const parseLine = (line: string): ParsedKey | string => {
  const { options, rest } = KEY_TYPE.test(line) ? { options: [], rest: line } : splitOptions(line);
  const unsafe = options.find((option) => !HARMLESS_OPTION.test(option));
  if (unsafe !== undefined) {
    const name = unsafe.split('=', 1)[0] ?? unsafe;
    return `the option "${name}" is not enforced here; take it away, or leave "restrict" alone`;
  }
  if (rest.startsWith('sk-')) return 'keys on a security token are not supported';
  const key: unknown = ssh2.utils.parseKey(rest);
  if (!isParsedKey(key) || key.isPrivateKey()) return 'it holds no public key';
  if (key.type === 'ssh-dss') return 'DSA keys are too weak';
  return key;
};

const isParsedKey = (key: unknown): key is ParsedKey =>
  typeof key === 'object' && key !== null && !(key instanceof Error) && 'getPublicSSH' in key;

/** `a,b="c, d" TYPE KEY` → the options, and what follows the first blank outside quotes. */
const splitOptions = (line: string): { options: string[]; rest: string } => {
  const head = /^(?:"(?:\\"|[^"])*"|[^\s"])+/.exec(line)?.[0] ?? '';
  return { options: head.match(/(?:"(?:\\"|[^"])*"|[^,"])+/g) ?? [''], rest: line.slice(head.length).trim() };
};

const matches = (key: ParsedKey, attempt: PublicKeyAuthContext): boolean => {
  const known = key.getPublicSSH();
  if (attempt.key.algo !== key.type || known.length !== attempt.key.data.length) return false;
  if (!timingSafeEqual(known, attempt.key.data)) return false;
  // RSA without a named hash means SHA-1, which has been forged.
  if (key.type === 'ssh-rsa' && attempt.hashAlgo === undefined) return false;
  if (!attempt.signature) return true;
  // What ssh2 cannot verify it returns as an Error, which would be truthy.
  const verified: unknown = attempt.blob && key.verify(attempt.blob, attempt.signature, attempt.hashAlgo);
  return verified === true;
};
