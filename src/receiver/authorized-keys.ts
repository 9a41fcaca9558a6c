import { createHash, timingSafeEqual } from 'node:crypto';
import ssh2, { type ParsedKey, type PublicKeyAuthContext } from 'ssh2';
import type { Refusal } from './client-log.ts';
import { parseKeyOptions, type KeyLimits } from './key-options.ts';

/** One line that lets somebody in. */
export interface AuthorizedKey extends KeyLimits {
  readonly key: ParsedKey;
  /** In the format of `ssh-keygen -l`. */
  readonly fingerprint: string;
  /** Of the file. */
  readonly line: number;
}

/** The public keys that may log in. */
export interface AuthorizedKeys {
  readonly size: number;
  readonly keys: readonly AuthorizedKey[];
  /** One sentence for each ignored line, with its line number. */
  readonly warnings: readonly string[];
  /** The lines with this key: with a signature, if that is valid; without one (the client asks first), those that know the key. */
  readonly find: (attempt: PublicKeyAuthContext) => readonly AuthorizedKey[];
}

const KEY_TYPE = /^(?:ssh-|ecdsa-|sk-)/;

/** Parses the text of an `authorized_keys` file. A line that is not fully understood is ignored, with a warning. */
export const parseAuthorizedKeys = (text: string): AuthorizedKeys => {
  const keys: AuthorizedKey[] = [];
  const warnings: string[] = [];
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text))
    return {
      size: 0,
      keys,
      warnings: ['the authorized keys are a private key: name the file with its public keys'],
      find: () => [],
    };
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const parsed = parseLine(line);
    if (typeof parsed === 'string') warnings.push(`line ${index + 1} of the authorized keys is ignored: ${parsed}`);
    else keys.push({ ...parsed, line: index + 1 });
  }
  return { size: keys.length, keys, warnings, find: (attempt) => findIn(keys, attempt) };
};

/** Why a key that is known lets nobody in from there, now; undefined: it does. */
const refusalOf = ({ isFrom, expiresMs, line }: AuthorizedKey, address: string, nowMs: number): Refusal | undefined => {
  const where = `in line ${line} of the authorized keys`;
  if (isFrom?.(address) === false) return { kind: 'address', reason: `from= ${where} does not have ${address}` };
  if (expiresMs !== undefined && nowMs >= expiresMs)
    return { kind: 'expired', reason: `its expiry-time ${where} is over` };
  return undefined;
};

/** @returns the line that lets the client in, or why none does */
export const chooseKey = (
  keys: AuthorizedKeys,
  attempt: PublicKeyAuthContext,
  address: string,
): AuthorizedKey | Refusal => {
  let refusal: Refusal = { kind: 'key', reason: 'it is not authorized' };
  for (const key of keys.find(attempt)) {
    const against = refusalOf(key, address, Date.now());
    if (against === undefined) return key;
    refusal = against;
  }
  return refusal;
};

/** May a connection that came in with `key` stay? */
export const isStillAllowed = (keys: AuthorizedKeys, key: AuthorizedKey, address: string, nowMs: number): boolean =>
  keys.keys.some(
    (now) =>
      now.fingerprint === key.fingerprint &&
      now.folder.join('/') === key.folder.join('/') &&
      refusalOf(now, address, nowMs) === undefined,
  );

/** In the format of `ssh-keygen -l`. */
export const fingerprintOf = (publicKey: Buffer): string =>
  `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`;

/** @returns the key, or why the line has none */
const parseLine = (line: string): Omit<AuthorizedKey, 'line'> | string => {
  const { options, rest } = KEY_TYPE.test(line) ? { options: [], rest: line } : splitOptions(line);
  const limits = parseKeyOptions(options);
  if (typeof limits === 'string') return limits;
  if (rest.startsWith('sk-')) return 'security keys (sk-…) are not supported';
  const key: unknown = ssh2.utils.parseKey(rest.replaceAll('\t', ' '));
  if (!isParsedKey(key) || key.isPrivateKey()) return 'it holds no public key';
  if (key.type === 'ssh-dss') return 'DSA keys are too weak';
  return { ...limits, key, fingerprint: fingerprintOf(key.getPublicSSH()) };
};

const isParsedKey = (key: unknown): key is ParsedKey =>
  typeof key === 'object' && key !== null && !(key instanceof Error) && 'getPublicSSH' in key;

/** `a,b="c, d" TYPE KEY` → the options, and what follows the first blank outside quotes. */
const splitOptions = (line: string): { options: string[]; rest: string } => {
  const head = /^(?:"(?:\\"|[^"])*"|[^\s"])+/.exec(line)?.[0] ?? '';
  return { options: head.match(/(?:"(?:\\"|[^"])*"|[^,"])+/g) ?? [''], rest: line.slice(head.length).trim() };
};

const findIn = (keys: readonly AuthorizedKey[], attempt: PublicKeyAuthContext): readonly AuthorizedKey[] => {
  const known = keys.filter(({ key }) => isSameKey(key, attempt));
  const [first] = known;
  return first !== undefined && proves(first.key, attempt) ? known : [];
};

const isSameKey = (key: ParsedKey, { key: { algo, data } }: PublicKeyAuthContext): boolean => {
  const known = key.getPublicSSH();
  return algo === key.type && known.length === data.length && timingSafeEqual(known, data);
};

/** Without a signature there is nothing to prove. */
const proves = (key: ParsedKey, attempt: PublicKeyAuthContext): boolean => {
  // RSA without a named hash means SHA-1, for which collisions are known.
  if (key.type === 'ssh-rsa' && attempt.hashAlgo === undefined) return false;
  if (!attempt.signature) return true;
  // ssh2 returns an Error, which is truthy, where it cannot verify.
  const verified: unknown = attempt.blob && key.verify(attempt.blob, attempt.signature, attempt.hashAlgo);
  return verified === true;
};
