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
}

/** The destinations of a site: each takes files at its own pace. */
export class Lanes {
  readonly #lanes: readonly Lane[];
  readonly #signal: AbortSignal;

  constructor(destinations: readonly RetryingTransport[], signal: AbortSignal) {
    this.#lanes = destinations.map((transport) => new Lane(transport));
    this.#signal = signal;
  }

  /** How many files may be under way: what each takes at once, and what waits for all but the fastest. */
  get mostUnderWay(): number {
    let most = MOST_WAITING * (this.#lanes.length - 1);
    for (const { transport } of this.#lanes) most += transport.inFlight;
    return most;
  }

  /** Resolves when every destination has it. What one has is not sent there again because another one failed, or is slow. */
  async deliver(file: OutgoingFile, { path, state, record, isPresumed }: Recorded, urgency: Urgency): Promise<void> {
    const lacking = this.#lanes
      .map((lane, index) => ({ lane, index }))
      .filter(({ index }) => !record.has(path, state, index));
    const taken = new Set<Lane>();
    const sends = lacking.map(async ({ lane, index }) => {
      const isTakenElsewhere = (): boolean =>
        lacking.some(({ lane: other }) => other !== lane && (taken.has(other) || other.answers));
      await lane.send({ file, urgency, isTakenElsewhere, signal: this.#signal });
      taken.add(lane);
      if (isPresumed) record.presumeFor(path, state, index);
      else record.addFor(path, state, index);
    });
    const ends = await Promise.allSettled(sends);
    const reasons = ends.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
    if (reasons.length > 0) throw firstToTell(reasons);
  }
}

/** What is the file's own, and holds for every destination, goes before one that is slow, and that before one that is down. */
const firstToTell = (reasons: readonly unknown[]): unknown => {
  const isSlow = (reason: unknown): boolean => reason instanceof LeftBehind;
  const isDown = (reason: unknown): boolean =>
    reason instanceof TransportError && reason.class !== 'file' && reason.class !== 'source-changed';
  return reasons.find((reason) => !isSlow(reason) && !isDown(reason)) ?? reasons.find(isSlow) ?? reasons[0];
};
