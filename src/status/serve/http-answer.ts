import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage } from '../../errors.ts';
import { isOwnHost } from './host-names.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** For every answer: the page may use what comes from here, and nobody may show it in a frame, read it from elsewhere or keep it. */
export const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

export interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Route = (request: IncomingMessage) => Promise<Answer>;

export const textAnswer = (code: number, body: string, headers: Answer['headers'] = {}): Answer => ({
  code,
  type: TEXT_TYPE,
  body: `${body}\n`,
  headers,
});

export const jsonAnswer = (code: number, object: object): Answer => ({
  code,
  type: JSON_TYPE,
  body: `${JSON.stringify(object)}\n`,
});

/** 200, or 503 with the reasons. */
export const healthAnswer = (
  named: Readonly<Record<string, string>>,
  reasons: readonly string[],
  { headers }: IncomingMessage,
): Answer => {
  const code = reasons.length === 0 ? 200 : 503;
  if (headers.accept?.includes('application/json') === true)
    return jsonAnswer(code, { status: code === 200 ? 'ok' : 'failing', ...named, reasons });
  return textAnswer(code, code === 200 ? 'ok' : reasons.map((reason) => reason.replaceAll('\n', ' ')).join('\n'));
};

/**
 * Why a request is not answered; undefined: it is.
 * @param listensOn a name or an address
 */
export const refusalOf = ({ method, headers }: IncomingMessage, listensOn: string): Answer | undefined => {
  if (method !== 'GET' && method !== 'HEAD')
    return textAnswer(405, 'this is read-only: GET and HEAD are answered', { Allow: 'GET, HEAD' });
  if (!isOwnHost(headers.host, listensOn))
    return textAnswer(
      421,
      'this answers to localhost, 127.0.0.1 and [::1] alone: a server before it must send one of them as "Host"',
    );
  // A page of somebody else's may lead here, and not use what is here.
  const isFromElsewhere = headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
  return isFromElsewhere ? textAnswer(403, 'this is not for the pages of other sites') : undefined;
};

/** What was asked for, without what follows "?". */
export const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0] ?? '';

/** Answers with what the route gives; what it throws is told to `failed`, and to who asked. */
export const respond = (
  request: IncomingMessage,
  response: ServerResponse,
  route: Route | undefined,
  failed: (error: unknown) => void,
): void => {
  if (route === undefined) {
    send(request, response, textAnswer(404, 'there is no such page'));
    return;
  }
  void route(request)
    .catch((error: unknown) => {
      failed(error);
      return textAnswer(500, `isocket cannot say: ${errorMessage(error)}`);
    })
    .then((found) => send(request, response, found));
};

export const send = (
  request: IncomingMessage,
  response: ServerResponse,
  { code, type, body, headers }: Answer,
): void => {
  if (response.destroyed) return;
  response.writeHead(code, {
    ...HEADERS,
    ...headers,
    'Content-Type': type,
    'Content-Length': typeof body === 'string' ? Buffer.byteLength(body) : body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
};
