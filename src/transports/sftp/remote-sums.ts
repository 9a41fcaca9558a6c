import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeName, type Name } from '../../name.ts';
import { createSemaphore } from '../../core/semaphore.ts';
import { SessionRefusedError } from '../../ssh/connection.ts';
import type { SummedFile } from '../../transport.ts';
import { askedSums } from './asked-sums.ts';
import type { Channels } from './channels.ts';
import { sumKey, type RemoteSums } from './sums-by-path.ts';

// The commands are constant: names are sent on stdin, each ended by NUL, and never through a shell.
const PROBE = 'LC_ALL=C sha256sum --zero';
const SUMS = 'LC_ALL=C xargs -0 -r sha256sum --zero --';
const SUM_OF_EMPTY_INPUT = `${createHash('sha256').digest('hex')}  -\0`;

// Searched for once in each connection.
const known = new WeakMap<CommandRunner, Promise<RemoteSums | undefined>>();

/** What runs commands at the destination, or asks an SFTP server: one object for each connection. */
export type CommandRunner = Pick<Channels, 'openExec'> & Partial<Pick<Channels, 'leastBusy'>>;

/** `Transport.sums`. @param base destination.path */
export const readSums = async (
  channels: CommandRunner,
  base: Name,
  files: readonly SummedFile[],
  signal: AbortSignal,
): Promise<Map<Name, string>> => {
  const sums = new Map<Name, string>();
  const remote = files.length === 0 ? undefined : await remoteSumsOf({ channels }, signal);
  const wanted = files.map(({ path, size }) => ({ path: `${base}/${path}`, size: BigInt(size) }));
  const found = await remote?.read(wanted, signal);
  for (const { path } of files) {
    const sum = found?.get(sumKey(`${base}/${path}`));
    if (sum !== undefined) sums.set(path, sum);
  }
  return sums;
};

export const remoteSumsOf = (
  { channels }: { readonly channels: CommandRunner },
  signal: AbortSignal,
): Promise<RemoteSums | undefined> => {
  const { leastBusy } = channels;
  const asked = leastBusy === undefined ? undefined : askedSums({ leastBusy });
  if (asked !== undefined) return Promise.resolve(asked);
  const finding = known.get(channels) ?? findRemoteSums(channels, signal);
  known.set(channels, finding);
  finding.catch(() => known.delete(channels));
  return finding;
};

/** By a command. undefined if the account has no shell (an SFTP-only server) or the host no such program. */
export const findRemoteSums = async (
  { openExec }: CommandRunner,
  signal: AbortSignal,
): Promise<RemoteSums | undefined> => {
  const commands = new Commands(openExec);
  try {
    const answer = await commands.run(PROBE, { input: Buffer.alloc(0), quietMs: QUIET_MS }, signal);
    if (answer.toString('latin1') !== SUM_OF_EMPTY_INPUT) return undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  return {
    read: async (files, abort) => {
      const names = Buffer.concat(files.flatMap(({ path }) => [encodeName(path), Buffer.from([0])]));
      const largest = files.reduce((most, { size }) => Math.max(most, Number(size)), 0);
      const quietMs = QUIET_MS + largest / SLOWEST_BYTES_PER_MS;
      // Where it opens no session, or does not answer, no sum is known, and the files are read back.
      const answer = await commands.run(SUMS, { input: names, quietMs }, abort).catch(() => Buffer.alloc(0));
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

/** Between two outputs: the start of a shell, and the sum of a small file. */
const QUIET_MS = 30_000;
/** So fast the disk there must be, at least. */
const SLOWEST_BYTES_PER_MS = 10_000;
const AT_ONCE = 2;
/** sshd gives the session of a command free a moment after its channel has closed. */
const CLOSING_MS = 2_000;
const ASK_AGAIN_MS = 20;

interface CommandInput {
  readonly input: Buffer;
  readonly quietMs: number;
}

/**
 * A few commands at once. A server opens few sessions on a connection (OpenSSH's MaxSessions is 10, and the SFTP channels, which stay
 * open, are some of them): where it opens no more, a command waits for another one to end. Where there is none, it fails.
 */
class Commands {
  readonly #openExec: Channels['openExec'];
  readonly #slots = createSemaphore(() => this.#most);
  #most = AT_ONCE;
  #running = 0;
  #endedMs = -Infinity;

  constructor(openExec: Channels['openExec']) {
    this.#openExec = openExec;
  }

  async run(command: string, how: CommandInput, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      await this.#slots.acquire(1);
      this.#running += 1;
      try {
        const output = await run(this.#openExec, command, how, signal);
        this.#endedMs = performance.now();
        return output;
      } catch (error) {
        if (!(error instanceof SessionRefusedError)) throw error;
        if (this.#running > 1) this.#most = this.#running - 1;
        else if (performance.now() - this.#endedMs > CLOSING_MS) throw error;
        else await delay(ASK_AGAIN_MS, undefined, { signal });
      } finally {
        this.#running -= 1;
        this.#slots.release(1);
      }
    }
  }
}

/** Runs a command there. It is given up when nothing has come from it for `quietMs`, or when it does not even start. */
const run = async (
  openExec: Channels['openExec'],
  command: string,
  { input, quietMs }: CommandInput,
  signal: AbortSignal,
): Promise<Buffer> => {
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(new Error(`no answer for ${quietMs / 1000} s`)), quietMs);
  const stopped = AbortSignal.any([signal, given.signal]);
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const opening = openExec(command);
  const stop = (): void => {
    ended.reject(stopped.reason);
    void opening.then((channel) => channel.destroy()).catch(() => undefined);
  };
  stopped.addEventListener('abort', stop, { once: true });
  if (stopped.aborted) stop();
  try {
    const channel = await Promise.race([opening, ended.promise]);
    const output = new Promise<Buffer>((resolve, reject) => {
      const pieces: Buffer[] = [];
      let length = 0;
      channel.on('data', (piece: Buffer) => {
        timer.refresh();
        pieces.push(piece);
        length += piece.length;
        if (length > MAX_OUTPUT_BYTES) channel.destroy(new Error('the output of the command is too long'));
      });
      channel.once('error', reject);
      channel.once('close', () => resolve(Buffer.concat(pieces)));
      channel.end(input);
    });
    return await Promise.race([output, ended.promise]);
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener('abort', stop);
  }
};
