import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { Name } from '../name.ts';

/** What is known of one best-effort destination. */
export interface BestEffortState {
  /** Directories of which it may lack something, and that are brought there by and by. */
  readonly waiting: readonly Name[];
  /** Why nothing got there when it was tried last; null: it was there, or never tried. */
  readonly down: { readonly message: string; readonly since: string } | null;
  /** It answered when it was tried last. */
  readonly isUp: boolean;
}

const UNTRIED: BestEffortState = { waiting: [], down: null, isUp: false };
const SAVE_AFTER_MS = 500;

const fileIn = (statePath: string): string => join(statePath, 'best-effort.json');

/** By the destination's label. Nothing where there is no such file, or one that is not ours. */
export const readBestEffort = (statePath: string): ReadonlyMap<string, BestEffortState> => {
  try {
    const content: unknown = JSON.parse(readFileSync(fileIn(statePath), 'utf8'));
    return new Map(Object.entries(content ?? {}).map(([label, one]) => [label, stateIn(one)]));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return new Map();
    throw error;
  }
};

const stateIn = (content: unknown): BestEffortState => {
  const { waiting, down, isUp } = (content ?? {}) as Partial<Record<keyof BestEffortState, unknown>>;
  const { message, since } = (down ?? {}) as { readonly message?: unknown; readonly since?: unknown };
  return {
    waiting: Array.isArray(waiting) ? waiting.filter((name) => typeof name === 'string') : [],
    down: typeof message === 'string' && typeof since === 'string' ? { message, since } : null,
    isUp: isUp === true,
  };
};

/**
 * Which directories the best-effort destinations of a site wait for, kept in its state folder. A name is kept before its directory is finished,
 * so that a crash forgets none; what is lost of it all the same `status` shows, and `isocket fill` brings there.
 */
export class BestEffortNotes implements Disposable {
  readonly #statePath: string;
  readonly #states: Map<string, { waiting: Set<Name>; down: BestEffortState['down']; isUp: boolean }>;
  #timer: NodeJS.Timeout | undefined;

  /** @param labels of the best-effort destinations of today */
  constructor(statePath: string, labels: readonly string[]) {
    this.#statePath = statePath;
    const known = readBestEffort(statePath);
    this.#states = new Map(
      labels.map((label) => {
        const { waiting, down, isUp } = known.get(label) ?? UNTRIED;
        return [label, { waiting: new Set(waiting), down, isUp }];
      }),
    );
  }

  waiting(label: string): ReadonlySet<Name> {
    return this.#states.get(label)?.waiting ?? new Set();
  }

  /** Something of it was sent: all of them wait for it. */
  note(directory: Name): void {
    for (const { waiting } of this.#states.values()) {
      if (waiting.has(directory)) continue;
      waiting.add(directory);
      this.#saveSoon();
    }
  }

  /** It is there, or nothing will bring it there by itself. */
  forget(label: string, directory: Name): void {
    if (this.#states.get(label)?.waiting.delete(directory) === true) this.#saveSoon();
  }

  isDown(label: string): boolean {
    return (this.#states.get(label)?.down ?? null) !== null;
  }

  /** True where the outage is a new one: it is told once. */
  failed(label: string, message: string): boolean {
    const state = this.#states.get(label);
    if (state === undefined) return false;
    const isNew = state.down === null;
    state.down = { message, since: state.down?.since ?? new Date().toISOString() };
    state.isUp = false;
    this.#saveSoon();
    return isNew;
  }

  /** True where it was down before. */
  answered(label: string): boolean {
    const state = this.#states.get(label);
    if (state === undefined || state.isUp) return false;
    const wasDown = state.down !== null;
    Object.assign(state, { down: null, isUp: true });
    this.#saveSoon();
    return wasDown;
  }

  [Symbol.dispose](): void {
    this.save();
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => this.save(), SAVE_AFTER_MS).unref();
  }

  /** Where the disk refuses, `status` and `isocket fill` know all the same: no reason to end anything. */
  save(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const file = fileIn(this.#statePath);
    const content = Object.fromEntries(
      [...this.#states].map(([label, { waiting, ...rest }]) => [label, { waiting: [...waiting], ...rest }]),
    );
    try {
      writeFileSync(`${file}.new`, JSON.stringify(content), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
    }
  }
}
