import { TransportError } from '../errors.ts';
import type { FileState } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import type { OutgoingFile } from '../transport.ts';
import { Lane, LeftBehind, MOST_WAITING } from './lane.ts';
import type { RetryingTransport } from './retrying-transport.ts';
import type { Urgency } from './send-slots.ts';

/** How a file's destinations are told apart in the record of its directory. */
export interface Recorded {
  /** Below the directory. */
  readonly path: Name;
  readonly state: FileState;
  readonly record: MarkRecord;
  readonly isPresumed: boolean;
  readonly isOutdated?: (() => boolean) | undefined;
}

/** The destinations of a site: each takes files at its own pace. */
export class Lanes {
  readonly #lanes: readonly Lane[];
  readonly #signal: AbortSignal;
  readonly #onAnswer = new Set<() => void>();
  #underWay = 0;

  constructor(destinations: readonly RetryingTransport[], signal: AbortSignal) {
    const answered = (): void => {
      for (const call of this.#onAnswer) call();
    };
    this.#lanes = destinations.map((transport) => new Lane(transport, answered));
    this.#signal = signal;
  }

  /** Calls when a destination that was silent answers, and lacks what was left behind meanwhile. Returns what ends that. */
  onAnswer(call: () => void): () => void {
    this.#onAnswer.add(call);
    return () => void this.#onAnswer.delete(call);
  }

  /**
   * How many files may be under way: what each takes at once, and what waits for all but the fastest; but no more than keep the one busy that has
   * the least to do. What waits needlessly is memory, which the collector copies.
   */
  get mostUnderWay(): number {
    let [most, room] = [MOST_WAITING * (this.#lanes.length - 1), -Infinity];
    for (const lane of this.#lanes) {
      most += lane.transport.inFlight;
      room = Math.max(room, lane.room ?? -Infinity);
    }
    return room === -Infinity ? most : Math.min(most, this.#underWay + Math.max(0, room));
  }

  /** Resolves when every destination has it. What one has is not sent there again because another one failed, or is slow. */
  async deliver(
    file: OutgoingFile,
    { path, state, record, isPresumed, isOutdated = never }: Recorded,
    urgency: Urgency,
  ): Promise<void> {
    const lacking = this.#lanes
      .map((lane, index) => ({ lane, index }))
      .filter(({ index }) => !record.has(path, state, index));
    /** They have it, or refused it. */
    const settled = new Set<Lane>();
    const sends = lacking.map(({ lane, index }) => {
      const isSettledElsewhere = (): boolean => settled.size > 0 && !settled.has(lane);
      return { lane, index, send: { file, urgency, isSettledElsewhere, isOutdated, signal: this.#signal } };
    });
    const settle = (lane: Lane): void => {
      settled.add(lane);
      for (const other of sends) if (!settled.has(other.lane)) other.lane.noteSettled(other.send);
    };
    const deliveries = sends.map(async ({ lane, index, send }) => {
      try {
        await lane.send(send);
      } catch (error) {
        if (!isSlow(error) && !isDown(error)) settle(lane);
        throw error;
      }
      if (isPresumed) record.presumeFor(path, { ...state, dev: file.identity.dev }, index);
      else record.addFor(path, state, index);
      settle(lane);
    });
    this.#underWay += 1;
    const ends = await Promise.allSettled(deliveries);
    this.#underWay -= 1;
    const reasons = ends.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
    if (reasons.length > 0) throw firstToTell(reasons);
  }
}

const isSlow = (reason: unknown): boolean => reason instanceof LeftBehind;
const isDown = (reason: unknown): boolean =>
  reason instanceof TransportError && reason.class !== 'file' && reason.class !== 'source-changed';
const never = (): boolean => false;

/** What is the file's own, and holds for every destination, goes before one that is slow, and that before one that is down. */
const firstToTell = (reasons: readonly unknown[]): unknown =>
  reasons.find((reason) => !isSlow(reason) && !isDown(reason)) ?? reasons.find(isSlow) ?? reasons[0];
