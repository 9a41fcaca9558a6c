import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Report } from '../../core/events.ts';
import { plainMessage } from '../../errors.ts';

/** A scan waits so long at its end, twice if its start is not answered either. */
const TIMEOUT_MS = 5000;

type Signal = 'start' | 'success' | 'fail';
const PATHS: Readonly<Record<Signal, string>> = { start: '/start', success: '', fail: '/fail' };

/**
 * A dead-man URL, as healthchecks.io has it: URL/start, URL, URL/fail. Its own failure is one warning, until it works again. The URL is a
 * secret: whoever has it can ping.
 */
export class Ping implements Disposable {
  readonly #url: URL;
  readonly #report: Report;
  readonly #timeoutMs: number;
  readonly #stopped = new AbortController();
  #last: Promise<void> = Promise.resolve();
  /** It failed, and that was told: maybe by an earlier process. */
  fails = false;

  constructor(url: string, report: Report, timeoutMs = TIMEOUT_MS) {
    this.#url = new URL(url);
    this.#report = report;
    this.#timeoutMs = timeoutMs;
  }

  /** Resolves when it was answered, or failed; one goes after the other. Never rejects. */
  send(signal: Signal): Promise<void> {
    this.#last = this.#last.then(() => this.#send(signal));
    return this.#last;
  }

  /** Resolves when all was answered, or failed. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** What is not answered yet does not keep the process. */
  [Symbol.dispose](): void {
    this.#stopped.abort();
  }

  /** One ping, of which nothing is reported. Resolves with the reason where it fails. */
  async attempt(signal: Signal): Promise<string | undefined> {
    try {
      const ended = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(this.#timeoutMs)]);
      await get(urlFor(this.#url, signal), ended);
      return undefined;
    } catch (error) {
      return isTimeout(error) ? `no answer within ${this.#timeoutMs / 1000} s` : plainMessage(error);
    }
  }

  /** The URL without its secret. */
  get shown(): string {
    return `${this.#url.protocol}//${this.#url.host}/…`;
  }

  async #send(signal: Signal): Promise<void> {
    const { signal: stopped } = this.#stopped;
    const why = stopped.aborted ? undefined : await this.attempt(signal);
    if (stopped.aborted) return;
    const cure = 'correct hooks.ping if it goes on; nothing else waits for it';
    if (why !== undefined && !this.fails) this.#note('warning', `Cannot ping ${this.shown}: ${why}; ${cure}`);
    if (why === undefined && this.fails) this.#note('info', `${this.shown} is pinged again`);
    this.fails = why !== undefined;
  }

  #note(level: 'info' | 'warning', message: string): void {
    this.#report({ type: 'note', level, message });
  }
}

const urlFor = (url: URL, signal: Signal): URL => {
  const own = new URL(url);
  if (signal !== 'success') own.pathname = own.pathname.replace(/\/*$/, '') + PATHS[signal];
  return own;
};

const isTimeout = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');

/** Rejects unless the answer is 2xx. The body is not read. */
const get = async (url: URL, signal: AbortSignal): Promise<void> => {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const options: RequestOptions = { signal, agent: false, headers: { 'user-agent': 'isocket' } };
  const answered = Promise.withResolvers<number>();
  const call: ClientRequest = request(url, options, (answer: IncomingMessage) => {
    answered.resolve(answer.statusCode ?? 0);
    call.destroy();
  });
  call.on('error', answered.reject).end();
  const status = await answered.promise;
  if (status < 200 || status > 299) throw new Error(`it answers ${status}`);
};
