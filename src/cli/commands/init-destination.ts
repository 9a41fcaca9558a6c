import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorMessage, systemErrorCode, TransportError, UserError } from '../../errors.ts';
import { loadHostKey, parseHostKey } from '../../receiver/host-key.ts';
import { fetchHostKey } from '../../ssh/fetch-host-key.ts';
import {
  hostKeyFingerprint,
  judgeHostKey,
  knownHostsLine,
  type HostAddress,
  type HostKeyVerdict,
} from '../../ssh/known-hosts.ts';
import { connectSocket } from '../../ssh/connect-socket.ts';
import { expandHome } from '../../ssh/key-file.ts';
import { readAllKnownHosts } from '../../ssh/host-key.ts';
import { makeFolders } from '../../host/make-folders.ts';

/** The key that a host presents, and its state in known_hosts. */
export interface SeenHostKey {
  readonly fingerprint: string;
  readonly verdict: HostKeyVerdict;
  /** Appends it to known_hosts. */
  accept(): void;
}

/** @throws TransportError where the host cannot be reached or is no SSH server, or known_hosts cannot be read */
export const readHostKey = async (
  address: HostAddress,
  knownHosts: string,
  signal: AbortSignal,
): Promise<SeenHostKey> => {
  const known = await readAllKnownHosts(knownHosts);
  const key = await fetchHostKey(await connectSocket(address.host, address.port, signal), [], signal);
  return {
    fingerprint: hostKeyFingerprint(key),
    verdict: judgeHostKey(known, address, key),
    accept: () => appendLine(expandHome(knownHosts), knownHostsLine(address, key)),
  };
};

const appendLine = (path: string, line: string): void => {
  try {
    makeFolders(dirname(path), 0o700);
    const before = readIfThere(path);
    appendFileSync(path, `${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`, { mode: 0o600 });
  } catch (error) {
    throw new UserError(`Cannot write "${path}": ${errorMessage(error)}`, {
      hint: 'let this user write it, or name another file with --known-hosts',
      cause: error,
    });
  }
};

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
};

/** Why a destination cannot be reached, in one sentence with the fix; undefined where it can. */
export const connectionProblem = async (address: HostAddress, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await fetchHostKey(await connectSocket(address.host, address.port, signal), [], signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TransportError)) throw error;
    return `${error.message}${error.hint === undefined ? '' : `: ${error.hint}`}`;
  }
};

/**
 * An ed25519 key pair at `path` and `path.pub`, created where there is none; needs no ssh-keygen. Returns the public key line.
 * @throws UserError where it cannot be written
 */
export const makeKeyPair = (path: string, comment: string): string => {
  const file = expandHome(path);
  try {
    const key = parseHostKey(loadHostKey(file, comment));
    const line = `${key.type} ${key.getPublicSSH().toString('base64')} ${comment}`;
    writeFileSync(`${file}.pub`, `${line}\n`, { mode: 0o644 });
    return line;
  } catch (error) {
    throw new UserError(`Cannot make the key "${path}": ${errorMessage(error)}`, {
      hint: 'name another file with --identity-file',
      cause: error,
    });
  }
};
