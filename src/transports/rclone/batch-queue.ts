import { readFileSync } from 'node:fs';
import type { OutgoingFile } from '../../transport.ts';
import { PendingSend } from '../rsync/pending-send.ts';
import { createTemporaryNames } from '../sftp/temporary-names.ts';
import { filesPerRun } from '../rsync/run-policy.ts';
import { sendBatch } from './batch.ts';
import { sendFile } from './send-file.ts';
import type { Session } from './session.ts';

/** A call for each file costs more than a small file itself. */
const MOST_BYTES_A_FILE = 1024 * 1024;
const MOST_BYTES = 64 * 1024 * 1024;
/** Each is held open. */
const MOST_FILES = Math.min(1000, filesPerRun(readFileSync('/proc/self/limits', 'latin1')));
/** Fewer go one by one: each is confirmed as soon as it is there. */
const FEW = 4;
/** One runs, and the next one is made ready. */
const MOST_BATCHES = 2;

/** Where a file needs another name first, each has calls of its own. */
export const goesInBatches = ({ traits, refusal }: Session, { identity, targetPath }: OutgoingFile): boolean =>
  traits.isAtomic && refusal === undefined && identity.size <= MOST_BYTES_A_FILE && targetPath.isWellFormed();

const queues = new WeakMap<Session, BatchQueue>();

export const queueOf = (session: Session): BatchQueue => {
  const queue = queues.get(session) ?? new BatchQueue(session);
  queues.set(session, queue);
  return queue;
};

/** Gathers the sends that wait while a batch runs. Each ends by itself. */
class BatchQueue {
  readonly #session: Session;
  readonly #waiting = new Set<PendingSend>();
  /** Batches that run, or are made ready. */
  readonly #running = new Set<Promise<void>>();
  #isRunning = false;

  constructor(session: Session) {
    this.#session = session;
  }

  send(file: OutgoingFile, signal: AbortSignal): Promise<void> {
    const send = new PendingSend(file, signal, () => {
      this.#waiting.delete(send);
      signal.removeEventListener('abort', abort);
    });
    const abort = (): void => {
      if (this.#waiting.has(send)) send.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting.add(send);
    void this.#run();
    return send.outcome;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (;;) {
      await new Promise(setImmediate); // What comes in this turn goes together.
      while (this.#mustWait()) await Promise.race(this.#running);
      const batch = this.#take();
      if (batch.length === 0) break;
      const ending = (batch.length < FEW ? this.#alone(batch) : this.#together(batch)).finally(() => {
        this.#running.delete(ending);
      });
      if (batch.length >= FEW) this.#running.add(ending);
    }
    this.#isRunning = false;
  }

  /** A small batch that is made ready early would stay small: more come while the other one runs. */
  #mustWait(): boolean {
    const { size } = this.#running;
    return size >= MOST_BATCHES || (size > 0 && this.#waiting.size < MOST_FILES / 2);
  }

  #take(): PendingSend[] {
    const batch: PendingSend[] = [];
    let bytes = 0;
    for (const send of this.#waiting) {
      if (batch.length >= MOST_FILES || bytes >= MOST_BYTES) break;
      bytes += Number(send.file.identity.size);
      batch.push(send);
      this.#waiting.delete(send);
    }
    return batch;
  }

  /** Never rejects: each send does. */
  async #together(batch: readonly PendingSend[]): Promise<void> {
    try {
      await this.#alone(await sendBatch(this.#session, batch));
    } catch (error) {
      for (const send of batch) send.reject(error);
    }
  }

  async #alone(sends: readonly PendingSend[]): Promise<void> {
    const names = createTemporaryNames(this.#session.shared.context.owner);
    const sendOne = (send: PendingSend): Promise<void> =>
      sendFile(this.#session, send.file, names, send.signal).then(
        () => send.resolve(),
        (error: unknown) => send.reject(error),
      );
    await Promise.all(sends.map(sendOne));
  }
}
