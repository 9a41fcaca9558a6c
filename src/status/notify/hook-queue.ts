import type { HookCommand } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { runCommand } from './run-command.ts';

export interface HookQueueOptions {
  /** "hooks.finished": what is said of it, and not the command itself, which may hold a secret. */
  readonly name: string;
  readonly command: HookCommand;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly report: Report;
}

interface Waiting {
  readonly input: string;
  readonly done: (isWell: boolean) => void;
}

const MOST_WAITING = 10_000;

/** Runs a command once for each thing that happened, one after the other: many that happen at once are no crowd of processes. */
export class HookQueue {
  readonly #options: HookQueueOptions;
  readonly #waiting: Waiting[] = [];
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: HookQueueOptions) {
    this.#options = options;
  }

  /** What waits, and what runs: not done yet. */
  get pending(): string[] {
    return this.#waiting.map(({ input }) => input);
  }

  add(input: string, done: Waiting['done'] = () => undefined): void {
    if (this.#waiting.length >= MOST_WAITING) {
      const [oldest] = this.#waiting.splice(1, 1); // The first one runs.
      oldest?.done(false);
      this.#warn(`${MOST_WAITING.toLocaleString('en')} calls wait: it is not run for the oldest of them`);
    }
    this.#waiting.push({ input, done });
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    await this.#running;
  }

  /** Ends what runs; what waits is not run. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const { name, command, env, timeoutMs, report } = this.#options;
    for (let next = this.#waiting[0]; next !== undefined && !signal.aborted; next = this.#waiting[0]) {
      const { failure, isStopped, output } = await runCommand(command, { input: next.input, env, timeoutMs, signal });
      if (isStopped) return; // It goes once more.
      this.#waiting.shift();
      for (const line of output === '' ? [] : output.split('\n'))
        report({ type: 'note', level: 'info', message: `${name}: ${line}` });
      if (failure !== undefined)
        this.#warn(`${failure}${output === '' ? '' : `; it said: ${output.split('\n').at(-1)}`}`);
      next.done(failure === undefined);
    }
  }

  #warn(what: string): void {
    const { name, report } = this.#options;
    report({ type: 'note', level: 'warning', message: `Cannot run ${name}: ${what}` });
  }
}
