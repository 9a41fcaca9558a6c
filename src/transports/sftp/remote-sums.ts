import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { encodeName, type Name } from '../../name.ts';
import type { Channels } from './channels.ts';

/** SHA-256 of files where they are, without carrying them over the line. */
export interface RemoteSums {
  /** Hex digests by path. What could not be read is left out. */
  read(paths: readonly Name[], signal: AbortSignal): Promise<Map<string, string>>;
}

// The command lines are ours alone: names travel on stdin, each ended by NUL, and never through a shell.
const PROBE = 'LC_ALL=C sha256sum --zero';
const SUMS = 'LC_ALL=C xargs -0 -r sha256sum --zero --';
const OF_NOTHING = `${createHash('sha256').digest('hex')}  -\0`;

/** What such a path is called in the answer; bytes that are no UTF-8 stay apart. */
export const sumKey = (path: Name): string => encodeName(path).toString('latin1');

/** undefined where the account has no shell (an SFTP-only server, ours among them) or the host no such program. */
export const findRemoteSums = async ({ openExec }: Channels, signal: AbortSignal): Promise<RemoteSums | undefined> => {
  try {
    const answer = await run(openExec, PROBE, Buffer.alloc(0), signal);
    if (answer.toString('latin1') !== OF_NOTHING) return undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  return {
    read: async (paths, abort) => {
      const names = Buffer.concat(paths.flatMap((path) => [encodeName(path), Buffer.from([0])]));
      const answer = await run(openExec, SUMS, names, abort);
      const sums = new Map<string, string>();
      for (const line of answer.toString('latin1').split('\0')) {
        const [, digest, path] = /^([0-9a-f]{64}) [ *](.*)$/s.exec(line) ?? [];
        if (digest !== undefined && path !== undefined) sums.set(path, digest);
      }
      return sums;
    },
  };
};

// Enough for a probe that meets something else than a shell, and for any number of sums.
const MOST_BYTES = 64 * 1024 * 1024;

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
        if (length > MOST_BYTES) channel.destroy(new Error('the server says more than was asked'));
      });
      channel.once('error', reject);
      channel.once('close', () => resolve(Buffer.concat(pieces)));
      channel.end(input);
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
};
