import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

export interface HttpAnswer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const open = async (port: number, path: string, { method = 'GET', headers = {} }: AskOptions) => {
  const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  call.end();
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  return answer;
};

/** Asks a server on 127.0.0.1. */
export const ask = async (port: number, path: string, options: AskOptions = {}): Promise<HttpAnswer> => {
  const answer = await open(port, path, options);
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += String(chunk);
  return { code: answer.statusCode ?? 0, headers: answer.headers, text };
};

/** A client of server-sent events. */
export interface EventClient<T> extends Disposable {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly events: readonly T[];
  /** Comments so far. */
  readonly comments: () => number;
  /** Resolves with the first one that fits, past or future. */
  next(fits: (event: T) => boolean): Promise<T>;
  /** Resolves when the server ends it. */
  readonly ended: Promise<void>;
}

export const listenToEvents = async <T>(port: number, path = '/events'): Promise<EventClient<T>> => {
  const answer = await open(port, path, {});
  const events: T[] = [];
  const waiting = new Set<() => void>();
  let [rest, comments, isOver] = ['', 0, false];
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block.startsWith('data: ')) events.push(JSON.parse(block.slice('data: '.length)) as T);
      if (block.startsWith(':')) comments += 1;
    }
    for (const check of [...waiting]) check();
  });
  answer.on('error', () => undefined);
  const ended = once(answer, 'close').then(() => {
    isOver = true;
    for (const check of [...waiting]) check();
  });
  return {
    code: answer.statusCode ?? 0,
    headers: answer.headers,
    events,
    comments: () => comments,
    ended,
    next: (fits) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = events.find(fits);
          if (found === undefined && !isOver) return;
          waiting.delete(check);
          if (found === undefined)
            reject(new Error(`the events ended without that; the last: ${JSON.stringify(events.at(-1))}`));
          else resolve(found);
        };
        waiting.add(check);
        check();
      }),
    [Symbol.dispose]: () => answer.destroy(),
  };
};
