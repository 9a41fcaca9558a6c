import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { encodeName, type Name } from '../../name.ts';
import type { Channels } from './channels.ts';

/** SHA-256 of files at the destination, computed there. */
export interface RemoteSums {
  /** Hex digests by `sumKey` of the path. Files that could not be read are left out. */
  read(paths: readonly Name[], signal: AbortSignal): Promise<Map<string, string>>;
}

// The commands are constant: names are sent on stdin, each ended by NUL, and never through a shell.
const PROBE = 'LC_ALL=C sha256sum --zero';
const SUMS = 'LC_ALL=C xargs -0 -r sha256sum --zero --';
const SUM_OF_EMPTY_INPUT = `${createHash('sha256').digest('hex')}  -\0`;

/** The key of a path in the result; bytes that are not UTF-8 stay distinct. */
export const sumKey = (path: Name): string => encodeName(path).toString('latin1');

/** undefined if the account has no shell (an SFTP-only server, like `isocket receive`) or the host no such program. */
export const findRemoteSums = async ({ openExec }: Channels, signal: AbortSignal): Promise<RemoteSums | undefined> => {
  try {
    const answer = await run(openExec, PROBE, Buffer.alloc(0), signal);
    if (answer.toString('latin1') !== SUM_OF_EMPTY_INPUT) return undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  return {
    read: async (paths, abort) => {
      const names = Buffer.concat(paths.flatMap((path) => [encodeName(path), Buffer.from([0])]));
      // A server opens few sessions on a connection (OpenSSH's MaxSessions is 10, and the SFTP channels are some of them): where it
      // opens no more just now, no sum is known, and the files are read back.
      const answer = await run(openExec, SUMS, names, abort).catch(() => Buffer.alloc(0));
      abort.throwIfAborted();
      const sums = new Map<string, string>();
      for (const line of answer.toString('latin1').split('\0')) {
        const [, digest, path] = /^([0-9a-f]{64}) [ *](.*)$/s.exec(line) ?? [];
        if (digest !== undefined && path !== undefined) sums.set(path, digest);
      }
      return sums;
    },
  };
};

// Bounds the memory if the command is not what it should be; far more than any number of sums needs.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

const run = async (
  openExec: Channels['openExec'],
  command: string,
  input: Buffer,
  signal: AbortSignal,
): Promise<Buffer> => {
  const channel: Duplex = await openExec(command);
  const stop = (): void => void channel.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let length = 0;
      channel.on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > MAX_OUTPUT_BYTES) channel.destroy(new Error('the output of the command is too long'));
      });
      channel.once('error', reject);
      channel.once('close', () => resolve(Buffer.concat(pieces)));
      channel.end(input);
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
};
