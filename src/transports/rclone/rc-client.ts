import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http';

/** Where a running rclone is asked. */
export type RcAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** rclone's own answer to a call that failed. */
export class RcError extends Error {
  /** Of HTTP: 404 for a call that this version does not have. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** rclone has ended, or does not answer any more. */
export class RcLostError extends Error {}

export type RcAnswer = Readonly<Record<string, unknown>>;

export const RC_USER = 'isocket';

/** Calls of rclone's remote control: https://rclone.org/rc/. */
export class RcClient {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #options: RequestOptions;

  constructor(address: RcAddress, password: string) {
    this.#options = { ...address, agent: this.#agent, auth: `${RC_USER}:${password}` };
  }

  /**
   * An abort closes the connection, by which rclone learns that the call is over; what it began may end a moment later.
   * @throws RcError, RcLostError, or the signal's reason
   */
  async call(path: string, input: object, signal?: AbortSignal): Promise<RcAnswer> {
    const body = Buffer.from(JSON.stringify(input));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const response = await this.#send({ method: 'POST', path: `/${path}`, headers }, body, signal);
    const answer = parse(await readBody(response, signal));
    if (response.statusCode === 200) return answer;
    throw errorOf(answer, response);
  }

  /** The content of an object from an offset on. @throws RcError, RcLostError, or the signal's reason */
  async read(fs: string, remote: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
    const path = `/[${fs}]/${remote.split('/').map(encodeURIComponent).join('/')}`;
    const headers = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await this.#send({ method: 'GET', path, headers }, undefined, signal);
    if (response.statusCode === 200 || response.statusCode === 206) return response;
    throw errorOf(parse(await readBody(response, signal)), response);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(options: RequestOptions, body: Buffer | undefined, signal?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const sent = request({ ...this.#options, ...options, ...(signal === undefined ? {} : { signal }) }, resolve);
      sent.on('error', (error) => reject(lost(error, signal)));
      sent.end(body);
    });
  }
}

const lost = (error: Error, signal: AbortSignal | undefined): Error =>
  signal?.aborted === true ? (signal.reason as Error) : new RcLostError(error.message, { cause: error });

const readBody = async (response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> => {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of response) pieces.push(piece as Buffer);
  } catch (error) {
    throw lost(error as Error, signal);
  }
  return Buffer.concat(pieces).toString();
};

const parse = (text: string): RcAnswer => {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? { ...answer } : {};
  } catch {
    return { error: text.trim() };
  }
};

const errorOf = ({ error }: RcAnswer, { statusCode = 0, statusMessage = '' }: IncomingMessage): RcError =>
  new RcError(
    oneLine(typeof error === 'string' && error !== '' ? error : `${statusCode} ${statusMessage}`),
    statusCode,
  );

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ': ');
