import type { BigIntStats } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { COARSE_TICK_MS } from '../core/clock-tick.ts';
import { createSemaphore } from '../core/semaphore.ts';
import { TransportError } from '../errors.ts';
import { isSameFile, wholeSeconds } from '../identity.ts';
import { showName, type Name } from '../name.ts';
import type { OpenFiles } from '../source/open-files.ts';
import type { ExpectedFile, Transport } from '../transport.ts';

export interface TickCheckOptions {
  readonly root: Name;
  readonly destinations: readonly Transport[];
  /** As `Sender.stat`. */
  readonly stat: (targetPath: Name) => BigIntStats | undefined;
  /** Looks at all processes. */
  readonly openFiles: () => OpenFiles;
  readonly signal: AbortSignal;
}

interface Compared {
  /** The files that are not at every destination as they are here. */
  readonly wrong: ReadonlySet<ExpectedFile>;
  /** As of when their content had been compared. */
  readonly openFiles: OpenFiles;
}

interface Batch {
  readonly startedMs: number;
  readonly files: ExpectedFile[];
  readonly compared: Promise<Compared>;
}

/** Files of one batch were marked within so many milliseconds of each other. */
const BATCH_MS = 100;
const MOST_IN_BATCH = 1000;
/** Files that wait; with more than these whoever sends waits too. */
const MOST_WAITING = 4000;

/**
 * For a source with whole-second times. A change within the second of our `chmod`, with its mtime set back, leaves the state that the
 * record would hold, so the content is compared once that second is over. That is waited for from our `chmod` on: the clock of a file
 * server may be another one than ours. Whoever mapped the file and wrote to it within that second may write again without a trace in its
 * times, for as long as he has it mapped: then it is not confirmed either.
 */
export class TickCheck {
  readonly #options: TickCheckOptions;
  readonly #places = createSemaphore(() => MOST_WAITING);
  #batch: Batch | undefined;

  constructor(options: TickCheckOptions) {
    this.#options = options;
  }

  /** Resolves when one more file may wait for its `check`, which must follow. */
  ready(): Promise<void> | undefined {
    return this.#places.acquire(1);
  }

  /**
   * @param marked its state right after our `chmod`
   * @throws TransportError `source-changed`, or what a destination fails with
   */
  async check(targetPath: Name, marked: BigIntStats): Promise<void> {
    const { root, stat } = this.#options;
    const sourcePath = `${root}/${targetPath}`;
    const file = { sourcePath, targetPath, size: marked.size, mtimeSeconds: wholeSeconds(marked.mtimeNs) };
    try {
      const { files, compared } = this.#openBatch();
      files.push(file);
      const { wrong, openFiles } = await compared;
      const now = stat(targetPath);
      const isSame = !wrong.has(file) && now !== undefined && isSameFile(now, marked);
      if (isSame && openFiles.writerOf(marked) === undefined) return;
    } finally {
      this.#places.release(1);
    }
    throw new TransportError('source-changed', `Did not mark "${showName(sourcePath)}": it changed while it was sent`);
  }

  #openBatch(): Batch {
    const nowMs = performance.now();
    const last = this.#batch;
    if (last !== undefined && nowMs < last.startedMs + BATCH_MS && last.files.length < MOST_IN_BATCH) return last;
    const files: ExpectedFile[] = [];
    const batch = { startedMs: nowMs, files, compared: this.#compare(files) };
    batch.compared.catch(() => undefined); // Each file's `check` reports it.
    this.#batch = batch;
    return batch;
  }

  async #compare(files: readonly ExpectedFile[]): Promise<Compared> {
    const { destinations, openFiles, signal } = this.#options;
    await delay(BATCH_MS + COARSE_TICK_MS, undefined, { signal });
    const checks = destinations.map((transport) => transport.verify(files, { checksum: true }, signal));
    const wrong = new Set((await Promise.all(checks)).flat().map(({ file }) => file));
    return { wrong, openFiles: openFiles() };
  }
}
