import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ReceiverFigures } from '../../core/receiver-figures.ts';
import type { ReceiverMetrics } from '../metrics/receiver-metrics.ts';
import { healthAnswer, jsonAnswer, pathOf, refusalOf, respond, send, type Route } from './http-answer.ts';
import type { StatusWords } from './status-server.ts';

export interface ReceiverAnswersOptions {
  /** On which it listens. */
  readonly host: string;
  readonly root: string;
  readonly version: string;
  readonly figures: () => Promise<ReceiverFigures>;
  readonly metrics: Pick<ReceiverMetrics, 'type' | 'text'>;
  readonly failed: (error: unknown) => void;
}

export const RECEIVER_WORDS: StatusWords = {
  key: 'receive.status.listen',
  shows: 'the addresses and the fingerprints of clients',
  goesOn: 'Files are received all the same',
};

/** What is answered to whom asks a receiver. */
export class ReceiverAnswers implements Disposable {
  readonly #options: ReceiverAnswersOptions;
  readonly #routes: ReadonlyMap<string, Route>;

  constructor(options: ReceiverAnswersOptions) {
    const { root, version, figures, metrics } = options;
    this.#options = options;
    const since = new Date().toISOString();
    this.#routes = new Map<string, Route>([
      ['/metrics', async () => ({ code: 200, type: metrics.type, body: await metrics.text() })],
      ['/healthz', async (request) => healthAnswer({ root }, (await figures()).problems, request)],
      ['/status.json', async () => jsonAnswer(200, { root, version, since, ...(await figures()) })],
    ]);
  }

  [Symbol.dispose](): void {
    // It holds nothing.
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume(); // A body is nothing to us.
    response.on('error', () => undefined);
    const refusal = refusalOf(request, this.#options.host);
    if (refusal !== undefined) send(request, response, refusal);
    else respond(request, response, this.#routes.get(pathOf(request)), this.#options.failed);
  }
}
