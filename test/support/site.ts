import { execa } from 'execa';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { CLI, CODE_CACHE } from './cli.ts';
import type { IsocketEvent, SummaryEvent } from '../../src/core/events.ts';
import type { TestServer } from './server.ts';

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of `--json`. */
  readonly events: readonly IsocketEvent[];
  readonly summary: SummaryEvent | undefined;
}

/** A site in a folder of its own, and isocket as a user runs it. */
export interface TestSite {
  readonly name: string;
  readonly root: string;
  readonly config: string;
  readonly state: string;
  run(args: readonly string[], options?: { readonly input?: Uint8Array; readonly user?: number }): Promise<Outcome>;
  /** `isocket scan --json` */
  scan(): Promise<Outcome>;
  /** Starts a command that runs until it is stopped, with `--json`. */
  start(args: readonly string[], options?: StartOptions): RunningSite;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `pipe`: the test writes into `stdin`; undefined: stdin is empty. */
  readonly stdin?: 'pipe';
  /** A prefix of the command line: `['faketime', …]`. */
  readonly through?: readonly string[];
}

/** A running command. Disposing of it kills it. */
export interface RunningSite extends AsyncDisposable {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly events: readonly IsocketEvent[];
  readonly stderr: () => string;
  /** Resolves with the first matching event, past or future. Rejects when the command ends without it. */
  event(fits: (event: IsocketEvent) => boolean): Promise<IsocketEvent>;
  /** Sends the signal and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | undefined>;
  /** Resolves with the exit code when it ends by itself. */
  readonly ended: Promise<number | undefined>;
}

type Sections = Readonly<Record<string, unknown>>;

export interface SiteOptions {
  readonly name?: string;
  /** Merged over the defaults of each section. */
  readonly source?: Sections;
  readonly destination?: Sections;
  readonly more?: Sections;
}

export const makeSite = (
  folder: string,
  server: TestServer,
  { name = 'site', source, destination, more }: SiteOptions = {},
): TestSite => {
  const home = `${folder}/${name}`;
  const root = `${home}/datas`;
  const config = `${home}/.isocketrc`;
  mkdirSync(root, { recursive: true });
  writeFileSync(
    config,
    JSON.stringify({
      site: name,
      source: { root, tag: 'DC', settle: '0s', superseded: '0s', ...source },
      destination: {
        transport: 'sftp',
        host: '127.0.0.1',
        port: server.port,
        path: server.path,
        user: 'root',
        identityFile: server.identityFile,
        knownHosts: server.knownHosts,
        ...destination,
      },
      send: { durable: false, retry: { first: '10ms', most: '50ms' } },
      state: `${home}/state`,
      ...more,
    }),
  );
  const run: TestSite['run'] = async (args, { input, user } = {}) => {
    const command = [process.execPath, CLI, ...args];
    const [file = '', ...rest] =
      user === undefined ? command : ['setpriv', `--reuid=${user}`, '--regid=65534', '--clear-groups', ...command];
    const result = await execa(file, rest, {
      reject: false,
      cwd: home,
      // A minimal environment, as cron gives.
      extendEnv: false,
      env: { PATH: '/usr/bin:/bin', HOME: home, ...CODE_CACHE },
      ...(input === undefined ? { stdin: 'ignore' } : { input }),
    });
    const events = args.includes('--json') ? parseEvents(result.stdout) : [];
    return {
      exitCode: result.exitCode,
      stdout: result.stdout,
      stderr: result.stderr,
      events,
      summary: events.find((event) => event.type === 'summary'),
    };
  };
  const start: TestSite['start'] = (args, options = {}) => startCommand(home, args, options);
  return { name, root, config, state: `${home}/state`, run, scan: () => run(['scan', '--json']), start };
};

const startCommand = (
  home: string,
  args: readonly string[],
  { env = {}, stdin, through = [] }: StartOptions,
): RunningSite => {
  const [file, ...rest] = [...through, process.execPath, CLI, ...args, '--json'];
  const child = execa(file, rest, {
    reject: false,
    cwd: home,
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
    stdin: stdin ?? 'ignore',
    buffer: { stdout: false, stderr: true },
  });
  const events: IsocketEvent[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    events.push(JSON.parse(line) as IsocketEvent);
    for (const check of [...waiting]) check();
  });
  const ended = child.then(({ exitCode }) => exitCode);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  void ended.then(() => {
    isOver = true;
    for (const check of [...waiting]) check();
  });
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    events,
    stderr: () => errors,
    ended,
    event: (fits) =>
      new Promise((resolve, reject) => {
        let checked = 0;
        const check = (): void => {
          while (checked < events.length) {
            const event = events[checked];
            checked += 1;
            if (event === undefined || !fits(event)) continue;
            waiting.delete(check);
            resolve(event);
            return;
          }
          if (isOver) reject(new Error(`isocket ${args.join(' ')} ended without that event: ${errors}`));
        };
        waiting.add(check);
        check();
      }),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
};

const parseEvents = (stdout: string): IsocketEvent[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as IsocketEvent);
