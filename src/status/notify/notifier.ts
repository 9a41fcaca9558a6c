import { setTimeout as delay } from 'node:timers/promises';
import type { Config, HookCommand } from '../../config/config.ts';
import type { IsocketEvent, Report } from '../../core/events.ts';
import { readKept, writeKept, type Kept } from './alert-state.ts';
import type { SiteFacts } from './conditions.ts';
import { decide, isWell, keyOf, told, type AlertState, type Notice } from './decide.ts';
import { EventFacts } from './event-facts.ts';
import { hookEnvironment } from './hook-environment.ts';
import { HookQueue } from './hook-queue.ts';
import { alertEvent, alertInput, finishedInput } from './messages.ts';
import type { Ping } from './ping.ts';

export interface NotifierOptions {
  readonly config: Config;
  readonly configPath: string;
  readonly statePath: string;
  readonly report: Report;
  readonly ping: Ping | undefined;
  /** So long after the start what an earlier process found is not over because this one has not met it yet. */
  readonly graceMs: number;
}

const SAVE_AFTER_MS = 1000;
/** A notice that could not be given is tried again after so long, then after twice as long … */
const [RETRY_FIRST_MS, RETRY_MOST_MS] = [60_000, 3_600_000];

/**
 * Tells people: runs `hooks.finished` and `hooks.alert`. Nobody waits for it but the end of a run, for a limited time; what is not done by then is
 * kept in the state folder for the next one.
 */
export class Notifier implements AsyncDisposable {
  readonly facts = new EventFacts();
  readonly #options: NotifierOptions;
  readonly #finished: HookQueue | undefined;
  readonly #alert: HookQueue | undefined;
  readonly #startedMs = performance.now();
  /** Notices that are being given. */
  readonly #giving = new Map<string, Notice>();
  #inherited: Set<string>;
  #state: AlertState;
  #retry = { atMs: -Infinity, waitMs: RETRY_FIRST_MS };
  #saving: NodeJS.Timeout | undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
    const { config, statePath, ping } = options;
    const kept: Kept = readKept(statePath, Date.now());
    this.#state = kept.alerts;
    this.#inherited = new Set(options.graceMs > 0 ? kept.alerts.raised.map(keyOf) : []);
    this.#finished = this.#queue('finished', config.hooks.finished);
    this.#alert = this.#queue('alert', config.hooks.alert);
    if (ping !== undefined) ping.fails = kept.pingFails;
    for (const input of kept.finished) this.#finished?.add(input);
  }

  /** Is anybody to be told of conditions? */
  static isWanted({ hooks }: Config): boolean {
    return hooks.alert !== null || hooks.ping !== null;
  }

  get isWell(): boolean {
    return isWell(this.#state);
  }

  /** Passes the event on. */
  readonly report: Report = (event: IsocketEvent) => {
    this.#options.report(event);
    this.facts.note(event);
    if (event.type !== 'finished' || this.#finished === undefined) return;
    this.#finished.add(finishedInput(event, this.#options.config, new Date()), () => this.#saveSoon());
    this.#saveSoon();
  };

  /** A look at the site: tells what is to be told. */
  look(facts: SiteFacts): void {
    if (performance.now() - this.#startedMs >= this.#options.graceMs) this.#inherited = new Set();
    for (const { kind, subject } of this.#state.raised)
      if ((kind === 'down' || kind === 'refused') && this.facts.hasMet(subject))
        this.#inherited.delete(keyOf({ kind, subject }));
    const giving = new Set([...this.#giving.values()].flatMap(({ conditions }) => conditions.map(keyOf)));
    const doubts = { inherited: this.#inherited, giving };
    const { state, notices } = decide(this.#state, facts, this.#options.config.alerts, Date.now(), doubts);
    this.#state = state;
    for (const notice of notices) this.#give(notice);
    this.#save();
  }

  /** Waits for what is to be told, so long, and no longer than until the signal; what is left is kept. */
  async end(withinMs: number, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const queues = [this.#finished, this.#alert].filter((queue) => queue !== undefined);
    await Promise.race([
      Promise.all(queues.map((queue) => queue.drained())),
      delay(withinMs, undefined, { signal: AbortSignal.any([waited.signal, signal]) }).catch(() => undefined),
    ]);
    waited.abort();
    await Promise.all(queues.map((queue) => queue.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end(0, AbortSignal.abort());
    clearTimeout(this.#saving);
    this.#save();
  }

  #give(notice: Notice): void {
    const { config, report } = this.#options;
    const key = `${notice.kind} ${notice.state}`;
    if (this.#giving.has(key) || performance.now() < this.#retry.atMs) return;
    report(alertEvent(notice));
    if (this.#alert === undefined) {
      this.#state = told(this.#state, notice);
      return;
    }
    this.#giving.set(key, notice);
    this.#alert.add(alertInput(notice, config, new Date()), (hasWorked) => {
      this.#giving.delete(key);
      if (hasWorked) {
        this.#state = told(this.#state, notice);
        this.#retry = { atMs: -Infinity, waitMs: RETRY_FIRST_MS };
      } else {
        const { waitMs } = this.#retry;
        this.#retry = { atMs: performance.now() + waitMs, waitMs: Math.min(2 * waitMs, RETRY_MOST_MS) };
      }
      this.#saveSoon();
    });
  }

  #queue(name: 'finished' | 'alert', command: HookCommand | null): HookQueue | undefined {
    if (command === null) return undefined;
    const { config, configPath, report } = this.#options;
    const env = hookEnvironment(process.env, { hook: name, site: config.site, config: configPath });
    return new HookQueue({ name: `hooks.${name}`, command, env, timeoutMs: config.hooks.timeoutMs, report });
  }

  #saveSoon(): void {
    this.#saving ??= setTimeout(() => {
      this.#saving = undefined;
      this.#save();
    }, SAVE_AFTER_MS).unref();
  }

  #save(): void {
    const { config, statePath, ping } = this.#options;
    const { finished, alert, ping: url } = config.hooks;
    if (finished === null && alert === null && url === null) return;
    const pending = this.#finished?.pending ?? [];
    writeKept(statePath, { alerts: this.#state, pingFails: ping?.fails ?? false, finished: pending });
  }
}
