import type { Settings } from './steps.ts';

/**
 * Confirms what it did not store, or cut short, or under other content · answers that a file is there that it lacks or holds
 * differently, or the opposite · has a file, and its reply is lost.
 */
export const LIES = ['not-stored', 'short', 'old-content', 'other-content', 'equal', 'missing', 'lost'] as const;
export type LieKind = (typeof LIES)[number];
type SendLie = Exclude<LieKind, 'equal' | 'missing' | 'lost'>;

export interface Lie {
  readonly kind: LieKind;
  /** After so many replies that it could have been. */
  readonly skips: number;
}

export interface Delivered {
  readonly content: Buffer;
  readonly mtimeSeconds: number;
}

interface Told {
  readonly kind: LieKind;
  readonly path: string;
  /** Size or mtime tell it, and not the content alone. */
  readonly isVisible: boolean;
  isOfEndedProcess: boolean;
  /** No record knows what was told: the mark is a claim, which is asked for by size and mtime. */
  isClaim: boolean;
}

export const looksLike = (there: Delivered | undefined, other: Delivered): boolean =>
  there?.content.length === other.content.length && there.mtimeSeconds === other.mtimeSeconds;

type LieSettings = Pick<Settings, 'verify' | 'fineness' | 'trustsMarks'>;

/** One false reply of a destination, and whether isocket is bound to find it out. */
export class Liar {
  readonly #settings: LieSettings;
  readonly #note: (words: string) => void;
  #next: { readonly kind: LieKind; skips: number } | undefined;
  #told: Told | undefined;

  constructor(lie: Lie | undefined, settings: LieSettings, note: (words: string) => void) {
    this.#next = lie && { ...lie };
    this.#settings = settings;
    this.#note = note;
  }

  /** What it stores of a file, if not the truth. */
  ofSend(path: string, sent: Delivered, before: Delivered | undefined): { stored: Delivered | undefined } | undefined {
    const lie = this.#lieOfSend(path, sent, before);
    // It has what it was sent.
    if (lie === undefined && this.#told?.path === path) this.#told = undefined;
    return lie;
  }

  /** Once: it has the file, and does not say so. */
  losesReply(): boolean {
    if (this.#next?.kind !== 'lost' || !this.#isItsTurn()) return false;
    this.#next = undefined;
    return true;
  }

  /** @param truth what it should say of this file; undefined: it is there as expected */
  ofVerify(path: string, truth: { readonly isVisible: boolean } | undefined): 'equal' | 'missing' | undefined {
    const kind = this.#next?.kind;
    if (kind !== (truth === undefined ? 'missing' : 'equal') || !this.#isItsTurn()) return undefined;
    this.#tell(kind, path, truth?.isVisible ?? true);
    return kind;
  }

  /** What it told to that process no later one asks for again where `verify` is "sent" (contract.md §6). */
  processEnded(): void {
    if (this.#told !== undefined) this.#told.isOfEndedProcess = true;
  }

  /** The record of what was told is lost, or another site's is asked. @param directory undefined: all of them */
  recordLost(directory?: string): void {
    if (this.#told === undefined) return;
    if (directory === undefined || this.#told.path.startsWith(`${directory}/`)) this.#told.isClaim = true;
  }

  /** It does not have the file although it said so. */
  isAbout(path: string): boolean {
    return this.#told?.path === path && this.#told.kind !== 'missing';
  }

  /**
   * contract.md §2, §3 and §6: one reply says that a file was sent, and the check before `finished.watch` is another one. Where no
   * other follows, or none that looks so closely, the first is believed.
   */
  isBelieved(path: string): boolean {
    if (this.#told === undefined || !this.isAbout(path)) return false;
    const { verify, fineness, trustsMarks } = this.#settings;
    const { kind, isVisible, isOfEndedProcess, isClaim } = this.#told;
    // Nor is a trusted mark, asked for as it is with "all" and "checksum".
    if (kind === 'equal' && trustsMarks) return true;
    if (verify === 'checksum') return false;
    if (isClaim && !isVisible) return true;
    if (verify === 'all') return !isVisible && (kind === 'equal' || fineness !== 'second');
    // A claim that is confirmed is not asked for once more.
    if (kind === 'equal') return true;
    // With whole-second times the content is compared after each send.
    if (fineness === 'second') return false;
    return verify === 'off' || !isVisible || isOfEndedProcess;
  }

  #lieOfSend(
    path: string,
    sent: Delivered,
    before: Delivered | undefined,
  ): { stored: Delivered | undefined } | undefined {
    const kind = this.#next?.kind;
    if (kind === undefined || kind === 'lost' || kind === 'equal' || kind === 'missing') return undefined;
    const stored = untrue(kind, sent, before);
    const isVisible = !looksLike(stored, sent);
    // Nothing else is there anyway.
    if (!isVisible && stored?.content.equals(sent.content) === true) return undefined;
    if (!this.#isItsTurn()) return undefined;
    this.#tell(kind, path, isVisible);
    return { stored };
  }

  #isItsTurn(): boolean {
    if (this.#next === undefined) return false;
    this.#next.skips -= 1;
    return this.#next.skips < 0;
  }

  #tell(kind: LieKind, path: string, isVisible: boolean): void {
    this.#next = undefined;
    this.#told = { kind, path, isVisible, isOfEndedProcess: false, isClaim: false };
    this.#note(`${kind} ${path}`);
  }
}

const untrue = (kind: SendLie, sent: Delivered, before: Delivered | undefined): Delivered | undefined => {
  const { content, mtimeSeconds } = sent;
  switch (kind) {
    case 'not-stored':
      return before;
    case 'short':
      return { content: content.subarray(0, content.length >> 1), mtimeSeconds };
    case 'old-content':
      return { content: before?.content ?? Buffer.alloc(0), mtimeSeconds };
    case 'other-content':
      return { content: Buffer.alloc(content.length, 'x'), mtimeSeconds };
  }
};
