import { execa } from 'execa';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IsocketEvent, SummaryEvent } from '../../src/events.ts';
import type { TestServer } from './server.ts';

const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of `--json`. */
  readonly events: readonly IsocketEvent[];
  readonly summary: SummaryEvent | undefined;
}

/** A site in a folder of its own, and the program as a user runs it. */
export interface TestSite {
  readonly root: string;
  readonly config: string;
  readonly state: string;
  run(args: readonly string[], options?: { readonly input?: Uint8Array; readonly user?: number }): Promise<Outcome>;
  /** `isocket scan --json` */
  scan(): Promise<Outcome>;
}

type Sections = Readonly<Record<string, unknown>>;

export interface SiteOptions {
  readonly name?: string;
  /** Merged over what a test needs in each section. */
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
      // As cron: nothing but the bare necessities.
      extendEnv: false,
      env: { PATH: '/usr/bin:/bin', HOME: home },
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
  return { root, config, state: `${home}/state`, run, scan: () => run(['scan', '--json']) };
};

const parseEvents = (stdout: string): IsocketEvent[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as IsocketEvent);
