import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';

/** One key of a `known_hosts` file: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
export interface KnownHost {
  /** The first field as written: patterns, or one hash. */
  readonly hosts: string;
  readonly isRevoked: boolean;
  /** It signs host certificates, which ssh2 does not support: the key of no host. */
  readonly isAuthority: boolean;
  readonly keyType: string;
  readonly key: Buffer;
  /** Where it stands. */
  readonly file: string;
}

export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked';

/** Lines without a valid key are skipped, as ssh does. */
export const parseKnownHosts = (text: string, file = ''): KnownHost[] =>
  text.split(/\r?\n/).flatMap((line): KnownHost[] => {
    if (/^\s*(#|$)/.test(line)) return [];
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [hosts, keyType, key] = fields;
    if (hosts === undefined || keyType === undefined || key === undefined) return [];
    const isRevoked = marker === '@revoked';
    const isAuthority = marker === '@cert-authority';
    if (marker !== undefined && !isRevoked && !isAuthority) return [];
    const blob = Buffer.from(key, 'base64');
    if (!isKeyOf(keyType, blob)) return [];
    return [{ hosts, keyType, key: blob, isRevoked, isAuthority, file }];
  });

/** RFC 4253 §6.6: a key begins with its type. Any other entry (SSH 1, a truncated line) would make the host's key seem changed. */
const isKeyOf = (keyType: string, blob: Buffer): boolean =>
  blob.length > 4 + keyType.length &&
  blob.readUInt32BE(0) === keyType.length &&
  blob.toString('latin1', 4, 4 + keyType.length) === keyType;

/** A revoked key is revoked whatever other lines say; `changed`: the file has the host, with other keys only. */
export const judgeHostKey = (known: readonly KnownHost[], address: HostAddress, key: Buffer): HostKeyVerdict => {
  const ofHost = keysOf(known, address);
  const isSame = (entry: KnownHost): boolean => entry.key.equals(key);
  if (ofHost.some((entry) => entry.isRevoked && isSame(entry))) return 'revoked';
  const valid = ofHost.filter((entry) => !entry.isRevoked);
  if (valid.some(isSame)) return 'known';
  return valid.length > 0 ? 'changed' : 'unknown';
};

const keysOf = (known: readonly KnownHost[], address: HostAddress): KnownHost[] =>
  known.filter((entry) => !entry.isAuthority && isOfHost(entry, address));

/** The files that have the host, with this key or, where none is given, with any. */
export const filesOf = (known: readonly KnownHost[], address: HostAddress, key?: Buffer): readonly string[] => [
  ...new Set(
    keysOf(known, address).flatMap((entry) => (key === undefined || entry.key.equals(key) ? [entry.file] : [])),
  ),
];

/** The file that has an authority for certificates of this host. */
export const authorityFile = (known: readonly KnownHost[], address: HostAddress): string | undefined =>
  known.find((entry) => entry.isAuthority && isOfHost(entry, address))?.file;

const SIGNATURES: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** The signature algorithms to request from the host, in the file's order; empty for an unknown host. */
export const knownKeyTypes = (known: readonly KnownHost[], address: HostAddress): ServerHostKeyAlgorithm[] => {
  const ofHost = keysOf(known, address).filter(({ isRevoked }) => !isRevoked);
  return [...new Set(ofHost.flatMap(({ keyType }) => SIGNATURES[keyType] ?? []))];
};

/** As `ssh-keygen -l` prints it. */
export const hostKeyFingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** The `known_hosts` line for a key, without its newline. */
export const knownHostsLine = (address: HostAddress, key: Buffer): string =>
  `${nameInFile(address)} ${key.toString('latin1', 4, 4 + key.readUInt32BE(0))} ${key.toString('base64')}`;

const nameInFile = ({ host, port }: HostAddress): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;

const isOfHost = ({ hosts }: KnownHost, address: HostAddress): boolean => {
  const name = nameInFile(address);
  if (hosts.startsWith('|')) return isHashOf(hosts, name);
  const patterns = hosts.split(',');
  const matches = (pattern: string): boolean => toRegExp(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern));
};

/** `|1|salt|hmac-sha1(salt, name)`, both in base64. */
const isHashOf = (hashed: string, name: string): boolean => {
  const [, version, salt = '', wanted = ''] = hashed.split('|');
  if (version !== '1') return false;
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  const expected = Buffer.from(wanted, 'base64');
  return expected.length === actual.length && timingSafeEqual(expected, actual);
};

const toRegExp = (pattern: string): RegExp => {
  const escaped = pattern.toLowerCase().replace(/[.+^${}()|[\]\\]/g, '\\$&');
  // Consecutive stars match the same as one, but make the regular expression backtrack exponentially.
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`, 's');
};
