import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LiveReading, LiveSiteStatus, LiveStatus } from '../live/live-status.ts';
import type { DaemonMetrics } from '../metrics/daemon-metrics.ts';
import { EventStream } from './event-stream.ts';
import {
  healthAnswer,
  HEADERS,
  jsonAnswer,
  pathOf,
  refusalOf,
  respond,
  send,
  textAnswer,
  type Answer,
  type Route,
} from './http-answer.ts';
import { pageFiles, type PageFile } from './page.ts';

export interface AnswersOptions {
  readonly live: Pick<LiveStatus, 'read'>;
  /** On which it listens. */
  readonly host: string;
  readonly failed: (error: unknown) => void;
  readonly metrics: Pick<DaemonMetrics, 'type' | 'text'>;
  readonly pages?: ReadonlyMap<string, PageFile>;
}

/** So many finished directories are named one by one; the older ones are summed up. */
const MOST_FINISHED = { events: 100, whole: 5000 } as const;

/** What is answered to whom. */
export class Answers implements Disposable {
  readonly #options: AnswersOptions;
  readonly #pages: ReadonlyMap<string, PageFile>;
  readonly #events: EventStream;
  readonly #routes: ReadonlyMap<string, Route>;
  #shown: { readonly reading: LiveReading; readonly text: string } | undefined;

  constructor(options: AnswersOptions) {
    const { live, metrics, failed, pages } = options;
    this.#options = options;
    this.#pages = pages ?? pageFiles();
    this.#events = new EventStream({ read: () => this.#eventText(), failed });
    this.#routes = new Map<string, Route>([
      ['/metrics', async () => ({ code: 200, type: metrics.type, body: await metrics.text() })],
      ['/healthz', (request) => healthOf(live, request)],
      ['/status.json', async () => jsonAnswer(200, shortened((await live.read()).status, MOST_FINISHED.whole))],
    ]);
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume(); // A body is nothing to us.
    response.on('error', () => undefined);
    const refusal = refusalOf(request, this.#options.host);
    const path = pathOf(request);
    if (refusal !== undefined) send(request, response, refusal);
    else if (path === '/events') this.#stream(request, response);
    else respond(request, response, this.#find(path), this.#options.failed);
  }

  #find(path: string): Route | undefined {
    const page = this.#pages.get(path);
    return page === undefined ? this.#routes.get(path) : () => Promise.resolve({ code: 200, ...page });
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    if (this.#events.isFull) {
      send(request, response, textAnswer(503, 'too many read the events now', { 'Retry-After': '10' }));
      return;
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    if (request.method === 'HEAD') response.end();
    else this.#events.add(response);
  }

  /** One text for all who listen. */
  async #eventText(): Promise<string> {
    const reading = await this.#options.live.read();
    if (this.#shown?.reading !== reading)
      this.#shown = { reading, text: JSON.stringify(shortened(reading.status, MOST_FINISHED.events)) };
    return this.#shown.text;
  }
}

const healthOf = async (live: AnswersOptions['live'], request: IncomingMessage): Promise<Answer> => {
  const { status, reasons } = await live.read();
  return healthAnswer({ site: status.site }, reasons, request);
};

/** Without the oldest of the finished directories, which are summed up; what is to be looked at stays. */
const shortened = (status: LiveSiteStatus, most: number): object => {
  const { directories } = status;
  const finished = directories.filter(({ phase, late, lacks }) => phase === 'finished' && !late && lacks === undefined);
  if (finished.length <= most) return status;
  const left = finished.slice(0, finished.length - most);
  const isLeft = new Set(left);
  const sum = (count: (one: (typeof left)[number]) => number | null): number =>
    left.reduce((total, one) => total + (count(one) ?? 0), 0);
  return {
    ...status,
    directories: directories.filter((one) => !isLeft.has(one)),
    /** Finished directories that are not listed. */
    more: { directories: left.length, files: sum(({ files }) => files), bytes: sum(({ bytes }) => bytes) },
  };
};
