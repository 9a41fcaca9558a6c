import { createInterface } from 'node:readline';
import { UserError } from '../../errors.ts';

/** Questions on a terminal, one line each. They go to stderr: stdout is for results. */
export interface Prompt extends Disposable {
  say(line: string): void;
  /** Asks until `problem` returns undefined; an empty answer stands for `usual`. */
  ask(question: string, options: { usual?: string; problem: (answer: string) => string | undefined }): Promise<string>;
  /** true for "y" and "yes"; an empty answer stands for `usual`. */
  confirm(question: string, usual: boolean): Promise<boolean>;
}

/** @throws UserError from every question once the input has ended */
export const openPrompt = (input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Prompt => {
  const lines = createInterface({ input, output, historySize: 0 });
  const typedAhead: string[] = [];
  let waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  let ended = false;
  const stopped = (): UserError =>
    new UserError('Stopped: the configuration was not written', { hint: 'run isocket init again' });

  lines.on('line', (line) => {
    if (waiting === undefined) typedAhead.push(line);
    else waiting.resolve(line);
    waiting = undefined;
  });
  lines.on('close', () => {
    ended = true;
    waiting?.reject(stopped());
  });
  const question = (text: string): Promise<string> => {
    lines.setPrompt(text);
    lines.prompt();
    const typed = typedAhead.shift();
    if (typed !== undefined) return Promise.resolve(typed);
    if (ended) return Promise.reject(stopped());
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
    });
  };
  const say = (line: string): void => void output.write(`${line}\n`);
  return {
    say,
    ask: async (text, { usual, problem }) => {
      for (;;) {
        const typed = (await question(usual === undefined ? `${text}: ` : `${text} [${usual}]: `)).trim();
        const answer = typed === '' ? (usual ?? '') : typed;
        const found = problem(answer);
        if (found === undefined) return answer;
        say(`  ${found}`);
      }
    },
    confirm: async (text, usual) => {
      const typed = (await question(`${text} [${usual ? 'Y/n' : 'y/N'}] `)).trim();
      return typed === '' ? usual : /^y(?:es)?$/i.test(typed);
    },
    [Symbol.dispose]: () => lines.close(),
  };
};
