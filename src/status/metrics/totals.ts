import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { IsocketEvent } from '../../core/events.ts';
import { systemErrorCode } from '../../errors.ts';
import { removeIfPossible } from '../../host/remove.ts';

const FILE = 'totals.json';
/** Why files are not sent. What changed while it was sent is no failure. */
const FAILURES = ['network', 'destination-full', 'auth', 'file'] as const;

const count = z.number().min(0).catch(0);
const schema = z.object({
  files: count,
  bytes: count,
  failures: z.record(z.string(), count).catch({}),
  lastSuccessMs: z.number().nullable().catch(null),
});

/** What a site's processes did in all, kept in the state folder, so that what cron's scans count goes on from one to the next. */
export class Totals {
  readonly #path: string;
  readonly #kept: z.infer<typeof schema>;
  /** As it was read or saved last. */
  #saved: string;

  constructor(statePath: string) {
    this.#path = join(statePath, FILE);
    this.#kept = read(this.#path);
    for (const kind of FAILURES) this.#kept.failures[kind] ??= 0;
    this.#saved = JSON.stringify(this.#kept);
  }

  get files(): number {
    return this.#kept.files;
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  get failures(): Readonly<Record<string, number>> {
    return this.#kept.failures;
  }

  /** When nothing was left unsent that could be sent; null: never yet. */
  get lastSuccessMs(): number | null {
    return this.#kept.lastSuccessMs;
  }

  note(event: IsocketEvent): void {
    if (event.type === 'sent') {
      this.#kept.files += 1;
      this.#kept.bytes += event.bytes;
    }
    const kind = failureIn(event);
    if (kind !== undefined) this.#kept.failures[kind] = (this.#kept.failures[kind] ?? 0) + 1;
  }

  noteSuccess(nowMs = Date.now()): void {
    this.#kept.lastSuccessMs = nowMs;
  }

  /** A disk that does not take it loses nothing but that. */
  save(): void {
    const content = JSON.stringify(this.#kept);
    if (content === this.#saved) return;
    try {
      writeFileSync(`${this.#path}.new`, content, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      this.#saved = content;
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      removeIfPossible(`${this.#path}.new`);
    }
  }
}

/** A destination without room for one file is full for whoever makes room there, though smaller ones go on. */
const failureIn = (event: IsocketEvent): string | undefined => {
  if (event.type === 'failed') return event.noRoom === true ? 'destination-full' : event.class;
  return event.type === 'connection' && event.state === 'lost' ? event.class : undefined;
};

const read = (path: string): z.infer<typeof schema> => {
  const none = { files: 0, bytes: 0, failures: {}, lastSuccessMs: null };
  try {
    return schema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data ?? none;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return none;
    throw error;
  }
};
