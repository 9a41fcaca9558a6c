import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage } from '../../errors.ts';
import type { LiveReading, LiveSiteStatus, LiveStatus } from '../live/live-status.ts';
import type { DaemonMetrics } from '../metrics/daemon-metrics.ts';
import { EventStream } from './event-stream.ts';
import { isOwnHost } from './host-names.ts';
import { pageFiles, type PageFile } from './page.ts';

export interface AnswersOptions {
  readonly live: Pick<LiveStatus, 'read'>;
  /** On which it listens. */
  readonly host: string;
  readonly failed: (error: unknown) => void;
  readonly metrics: Pick<DaemonMetrics, 'type' | 'text'>;
  readonly pages?: ReadonlyMap<string, PageFile>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** For every answer: the page may use what comes from here, and nobody may show it in a frame, read it from elsewhere or keep it. */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

type Route = (request: IncomingMessage) => Promise<Answer>;

const text = (code: number, body: string, headers: Answer['headers'] = {}): Answer => ({
  code,
  type: TEXT_TYPE,
  body: `${body}\n`,
  headers,
});

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
      ['/healthz', async (request) => healthAnswer(await live.read(), request)],
      ['/status.json', async () => jsonAnswer(200, shortened((await live.read()).status, MOST_FINISHED.whole))],
    ]);
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume(); // A body is nothing to us.
    response.on('error', () => undefined);
    const refusal = this.#refusal(request);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (refusal !== undefined) send(request, response, refusal);
    else if (path === '/events') this.#stream(request, response);
    else
      void this.#find(path, request)
        .catch((error: unknown) => {
          this.#options.failed(error);
          return text(500, `isocket cannot say: ${errorMessage(error)}`);
        })
        .then((found) => send(request, response, found));
  }

  #refusal({ method, headers }: IncomingMessage): Answer | undefined {
    if (method !== 'GET' && method !== 'HEAD')
      return text(405, 'this is read-only: GET and HEAD are answered', { Allow: 'GET, HEAD' });
    if (!isOwnHost(headers.host, this.#options.host))
      return text(
        421,
        'this answers to localhost, 127.0.0.1 and [::1] alone: a server before it must send one of them as "Host"',
      );
    // A page of somebody else's may lead here, and not use what is here.
    const isFromElsewhere = headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
    return isFromElsewhere ? text(403, 'this is not for the pages of other sites') : undefined;
  }

  async #find(path: string, request: IncomingMessage): Promise<Answer> {
    const page = this.#pages.get(path);
    if (page !== undefined) return { code: 200, ...page };
    const route = this.#routes.get(path);
    return route === undefined ? text(404, 'there is no such page') : route(request);
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    if (this.#events.isFull) {
      send(request, response, text(503, 'too many read the events now', { 'Retry-After': '10' }));
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

const jsonAnswer = (code: number, object: object): Answer => ({
  code,
  type: JSON_TYPE,
  body: `${JSON.stringify(object)}\n`,
});

const healthAnswer = ({ status: { site }, reasons }: LiveReading, { headers }: IncomingMessage): Answer => {
  const code = reasons.length === 0 ? 200 : 503;
  if (headers.accept?.includes('application/json') === true)
    return jsonAnswer(code, { status: code === 200 ? 'ok' : 'failing', site, reasons });
  return text(code, code === 200 ? 'ok' : reasons.map((reason) => reason.replaceAll('\n', ' ')).join('\n'));
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

const send = (request: IncomingMessage, response: ServerResponse, { code, type, body, headers }: Answer): void => {
  if (response.destroyed) return;
  response.writeHead(code, {
    ...HEADERS,
    ...headers,
    'Content-Type': type,
    'Content-Length': typeof body === 'string' ? Buffer.byteLength(body) : body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
};
