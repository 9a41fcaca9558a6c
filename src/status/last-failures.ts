import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { IsocketEvent, Report } from '../core/events.ts';
import { systemErrorCode } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { ownCommand } from '../host/own-command.ts';

const FILE = 'last-failures.json';
const MOST_FILES = 100;
const MOST_DESTINATIONS = 20;
const LONGEST_MESSAGE = 500;
const SAVE_EVERY_MS = 5000;

const text = z.string().transform((message) => message.slice(0, LONGEST_MESSAGE));
const common = { message: text, hint: text.optional(), at: z.string() };
const schema = z.object({
  destinations: z.array(z.object({ destination: z.string(), ...common })).catch([]),
  files: z.array(z.object({ path: z.string(), ...common })).catch([]),
  /** Files beyond those that are kept. */
  more: z.int().min(0).catch(0),
});

/** What failed last, by destination and file, and was not well since. */
export type LastFailures = Readonly<z.infer<typeof schema>>;

/**
 * undefined where nothing failed, or nobody knows. Files that are gone are left out.
 * @param only files of these directories; undefined: of all
 */
export const readLastFailures = (state: string, root: Name, only?: ReadonlySet<Name>): LastFailures | undefined => {
  const read = readAll(state);
  if (read === undefined) return undefined;
  const files = read.files.filter(({ path }) => only?.has(directoryOf(path)) !== false && isThere(`${root}/${path}`));
  const more = only === undefined ? read.more : 0;
  return files.length + read.destinations.length + more === 0 ? undefined : { ...read, files, more };
};

const directoryOf = (path: Name): Name => path.split('/', 1)[0] ?? '';

const readAll = (state: string): LastFailures | undefined => {
  try {
    return schema.safeParse(JSON.parse(readFileSync(join(state, FILE), 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};

const isThere = (path: Name): boolean => {
  try {
    return lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // It may be there: its folder cannot be looked into.
  }
};

type Entry<T> = Omit<T, 'at' | 'message' | 'hint'> & { message: string; hint?: string | undefined; at: string };
type File = Entry<LastFailures['files'][number]>;
type Destination = Entry<LastFailures['destinations'][number]>;

const refuted = ({ path, detail }: Extract<IsocketEvent, { type: 'refuted' }>): string =>
  `"${showName(path)}" was sent, and is another one at the destination: ${detail}`;

/**
 * Keeps the last failure of each destination and file in the state folder, for a `status` that finds no process to ask. It listens to
 * what a run reports. A disk that does not take it loses nothing but that.
 */
export class FailureLog implements Disposable {
  readonly #state: string;
  readonly #report: Report;
  readonly #files = new Map<Name, File>();
  readonly #destinations = new Map<string, Destination>();
  /** Files and destinations that failed in this run. By time it would not be known: clocks are set. */
  readonly #own = new WeakSet<File | Destination>();
  #more = 0;
  #hasSent = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param keeps `earlier`: what failed in earlier runs stays until it is well, or the run `ended`; `none`: this process tries everything */
  constructor(state: string, report: Report, keeps: 'earlier' | 'none') {
    this.#state = state;
    this.#report = report;
    const earlier = keeps === 'earlier' ? readAll(state) : undefined;
    for (const one of earlier?.files ?? []) this.#files.set(one.path, one);
    for (const one of earlier?.destinations ?? []) this.#destinations.set(one.destination, one);
    this.#more = earlier?.more ?? 0;
  }

  /** Passes the event on. */
  readonly report: Report = (event) => {
    this.#note(event);
    this.#report(event);
  };

  /** What failed, and was not well since: the newest last. */
  get current(): LastFailures {
    const destinations = [...this.#destinations.values()].slice(-MOST_DESTINATIONS);
    return { destinations, files: [...this.#files.values()], more: this.#more };
  }

  /**
   * The run tried everything: what failed before it and not in it is well.
   * @param only it tried these directories; undefined: all
   */
  ended(only?: ReadonlySet<Name>): void {
    const isOld = (one: File | Destination): boolean => !this.#own.has(one);
    for (const [path, file] of this.#files)
      if (isOld(file) && only?.has(directoryOf(path)) !== false) this.#files.delete(path);
    // Where nothing was sent, the destination need not have been tried.
    if (only === undefined || this.#hasSent)
      for (const [name, destination] of this.#destinations) if (isOld(destination)) this.#destinations.delete(name);
    if (only === undefined && this.#files.size < MOST_FILES) this.#more = 0;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#save();
  }

  #note(event: IsocketEvent): void {
    if (event.type === 'sent') this.#hasSent = true;
    if (event.type === 'failed') this.#noteFile(event.path, event);
    else if (event.type === 'refuted')
      this.#noteFile(event.path, {
        message: refuted(event),
        hint: `${ownCommand('check')} shows what that destination makes of a file`,
      });
    else if (event.type === 'connection') this.#noteDestination(event);
    else if (event.type === 'sent' && this.#files.size > 0) this.#resolve(event.path);
    else if (event.type === 'finished') this.#resolveDirectory(event.directory);
  }

  #noteFile(path: Name, { message, hint }: { readonly message: string; readonly hint?: string }): void {
    this.#files.delete(path); // The newest are last.
    const file = { path, message, hint, at: new Date().toISOString() };
    this.#own.add(file);
    this.#files.set(path, file);
    for (const [oldest] of this.#files) {
      if (this.#files.size <= MOST_FILES) break;
      this.#files.delete(oldest);
      this.#more += 1;
    }
    this.#saveSoon();
  }

  #noteDestination(event: Extract<IsocketEvent, { type: 'connection' }>): void {
    const { destination } = event;
    this.#destinations.delete(destination);
    if (event.state === 'lost') {
      const { message, hint } = event;
      const failure = { destination, message, hint, at: new Date().toISOString() };
      this.#own.add(failure);
      this.#destinations.set(destination, failure);
    }
    this.#saveSoon();
  }

  #resolve(path: Name): void {
    // What failed may have been its directory.
    const directory = directoryOf(path);
    if ([this.#files.delete(path), this.#files.delete(directory)].includes(true)) this.#saveSoon();
  }

  #resolveDirectory(directory: Name): void {
    for (const path of this.#files.keys())
      if (path === directory || path.startsWith(`${directory}/`)) this.#files.delete(path);
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save();
    }, SAVE_EVERY_MS).unref();
  }

  #save(): void {
    const path = join(this.#state, FILE);
    const { destinations, files, more } = this.current;
    try {
      if (destinations.length + files.length + more === 0) {
        rmSync(path, { force: true });
        return;
      }
      writeFileSync(`${path}.new`, JSON.stringify({ destinations, files, more }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
    }
  }
}
