import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isLoopback, showListenAddress, type ListenAddress } from '../../core/listen-address.ts';
import type { Report } from '../../core/events.ts';
import { plainMessage, systemErrorCode } from '../../errors.ts';

export interface StatusServerOptions {
  readonly listen: ListenAddress;
  /** The server disposes of it. */
  readonly answers: Disposable & { readonly answer: (request: IncomingMessage, response: ServerResponse) => void };
  readonly words: StatusWords;
  readonly report: Report;
  /** Until a port that was taken is tried again. */
  readonly againMs?: number;
}

/** What the messages of a server say of whose it is. */
export interface StatusWords {
  /** The key of the configuration. */
  readonly key: string;
  /** "everyone who reaches it reads …" */
  readonly shows: string;
  /** What a failure does not hinder, as a sentence. */
  readonly goesOn: string;
}

export const SITE_WORDS: StatusWords = {
  key: 'status.listen',
  shows: 'the names of files and destinations',
  goesOn: 'Files are sent all the same',
};

const AGAIN_MS = 60_000;
const MOST_CONNECTIONS = 64;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 5000,
};
/** A client that neither asks nor reads. */
const SILENT_MS = 30_000;

/** Answers at `status.listen`. It is never a reason that files stay unsent: a port that is taken is a warning, and is tried again. */
export class StatusServer implements Disposable {
  readonly #options: StatusServerOptions;
  readonly #server: Server;
  readonly #answers: StatusServerOptions['answers'];
  #again: NodeJS.Timeout | undefined;
  #trouble: string | undefined;
  #isOver = false;

  constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#answers = options.answers;
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      this.#answers.answer(request, response);
    this.#server = createServer(LIMITS, answer);
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.maxHeadersCount = 50;
    this.#server.setTimeout(SILENT_MS);
    this.#server.on('error', (error) => this.#fail(error));
    this.#server.on('listening', () => this.#noteListening());
    this.#warnOfOthers();
    this.#listen();
  }

  /** All connections end at once. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#again);
    this.#answers[Symbol.dispose]();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(): void {
    const { host, port } = this.#options.listen;
    this.#server.listen({ host, port, exclusive: true });
    this.#server.unref();
  }

  #noteListening(): void {
    const url = `http://${showListenAddress(this.#options.listen)}/`;
    this.#options.report({ type: 'listening', message: `status at ${url}` });
    this.#trouble = undefined;
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    const { listen, words, againMs = AGAIN_MS } = this.#options;
    const message = `Cannot listen on ${words.key} ${showListenAddress(listen)}: ${plainMessage(error)}; ${cureOf(error)}. ${words.goesOn}`;
    if (message !== this.#trouble) this.#warn(message);
    this.#trouble = message;
    if (this.#server.listening) return; // A connection failed, and no more than that.
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#listen(), againMs).unref();
  }

  #warnOfOthers(): void {
    const { listen, words } = this.#options;
    if (isLoopback(listen.host)) return;
    const what = `${words.key} ${showListenAddress(listen)} is open to other hosts, without a login: everyone who reaches it reads ${words.shows}`;
    this.#warn(
      `${what}; listen on 127.0.0.1 and put a server with a login before it, or let a firewall choose who reaches it`,
    );
  }

  #warn(message: string): void {
    this.#options.report({ type: 'note', level: 'warning', message });
  }
}

const cureOf = (error: unknown): string => {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return 'name another port, or end the program that listens there ("ss -ltnp" names it); it is tried again every minute';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'name an address of this host, such as 127.0.0.1; it is tried again every minute';
    case 'EACCES':
      return 'name a port above 1023; it is tried again every minute';
    case 'EMFILE':
    case 'ENFILE':
      return 'let isocket open more files: ulimit -n, or LimitNOFILE= of its systemd unit';
    default:
      return 'it is tried again every minute';
  }
};
