import { createHash, timingSafeEqual } from 'node:crypto';
import ssh2, { type ParsedKey, type PublicKeyAuthContext } from 'ssh2';

/** The public keys that may log in. */
export interface AuthorizedKeys {
  readonly size: number;
  /** One sentence for each ignored line, with its line number. */
  readonly warnings: readonly string[];
  /** With a signature: whether it is valid. Without one (the client asks first): whether the key is known. */
  readonly allows: (attempt: PublicKeyAuthContext) => boolean;
}

const KEY_TYPE = /^(?:ssh-|ecdsa-|sk-)/;
/** Options that forbid only what the receiver never offers. Any other option may restrict more than the receiver enforces. */
const HARMLESS_OPTION = /^(?:restrict|no-(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding))$/i;

/** Parses the text of an `authorized_keys` file. A line that is not fully understood is ignored, with a warning. */
export const parseAuthorizedKeys = (text: string): AuthorizedKeys => {
  const keys: ParsedKey[] = [];
  const warnings: string[] = [];
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text))
    return {
      size: 0,
      warnings: ['the authorized keys are a private key: name the file with its public keys'],
      allows: () => false,
    };
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const parsed = parseLine(line);
    if (typeof parsed === 'string') warnings.push(`line ${index + 1} of the authorized keys is ignored: ${parsed}`);
    else keys.push(parsed);
  }
  return { size: keys.length, warnings, allows: (attempt) => keys.some((key) => matches(key, attempt)) };
};

/** In the format of `ssh-keygen -l`. */
export const fingerprintOf = (publicKey: Buffer): string =>
  `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`;

/** @returns the key, or why the line has none */
const parseLine = (line: string): ParsedKey | string => {
  const { options, rest } = KEY_TYPE.test(line) ? { options: [], rest: line } : splitOptions(line);
  const unsafe = options.find((option) => !HARMLESS_OPTION.test(option));
  if (unsafe !== undefined) {
    const name = unsafe.split('=', 1)[0] ?? unsafe;
    // What is no option at all may be a secret.
    if (!/^[a-z-]{1,40}$/i.test(name)) return 'it holds no public key';
    return `the option "${name}" is not supported; remove it, or use only "restrict"`;
  }
  if (rest.startsWith('sk-')) return 'security keys (sk-…) are not supported';
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
  // RSA without a named hash means SHA-1, for which collisions are known.
  if (key.type === 'ssh-rsa' && attempt.hashAlgo === undefined) return false;
  if (!attempt.signature) return true;
  // ssh2 returns an Error, which is truthy, where it cannot verify.
  const verified: unknown = attempt.blob && key.verify(attempt.blob, attempt.signature, attempt.hashAlgo);
  return verified === true;
};
