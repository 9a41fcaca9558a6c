import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { TransportError } from '../../errors.ts';
import { makeControlFolder, type ControlFolder } from '../../ssh/program/control-folder.ts';
import { isOnPath, startChild, type Child } from '../../ssh/program/child.ts';
import { expandHome } from '../../ssh/key-file.ts';
import { LogLines, SERVING } from './log-lines.ts';
import type { RcloneOptions } from './options.ts';
import { RC_USER, RcClient, type RcAddress } from './rc-client.ts';

/** The destination, as calls name it. */
export const DESTINATION = 'isocketdest:';
/** Files that this process holds open, by the number of their descriptor. */
export const SOURCE = `isocketsource:/proc/${process.pid}/fd`;
/** A folder of this host, of which links are followed. */
export const sourceFolder = (path: string): string => `isocketsource:${path}`;

/** A running `rclone rcd`. */
export interface RcloneProcess {
  readonly client: RcClient;
  readonly pid: number | undefined;
  /** Aborted once it has ended. */
  readonly ended: AbortSignal;
  readonly log: LogLines;
  /** Resolves when it has ended. */
  close(): Promise<void>;
}

/** A user's own settings that would leave files out, compare nothing or listen elsewhere; those of remotes, proxies and passwords stay. */
const NOT_FOR_OURS =
  /^RCLONE_(?:RC_|LOG_|USE_JSON_LOG|STATS|SYSLOG|QUIET|VERBOSE|PROGRESS|DRY_RUN|INTERACTIVE|CHECKSUM|SIZE_ONLY|IGNORE_|IMMUTABLE|UPDATE|MAX_|MIN_|CUTOFF_MODE|FILTER|INCLUDE|EXCLUDE|FILES_FROM|BACKUP_DIR|SUFFIX|COMPARE_DEST|COPY_DEST|USE_SERVER_MODTIME|BWLIMIT|METADATA|NAME_TRANSFORM|LOCAL_|LINKS|COPY_LINKS|SKIP_LINKS|ONE_FILE_SYSTEM)/;

/** isocket tries again by itself; what a user sets for his own rclone counts. */
const PATIENCE = { RCLONE_TIMEOUT: '60s', RCLONE_CONTIMEOUT: '15s', RCLONE_LOW_LEVEL_RETRIES: '3' };

/** Everything goes by the environment: nothing of it is in the process list, and a version that does not know a setting ignores it. */
const environment = (options: RcloneOptions, listen: string, password: string): Record<string, string | undefined> => ({
  ...PATIENCE,
  ...Object.fromEntries(
    Object.entries(process.env)
      .filter(([key]) => key.startsWith('RCLONE_'))
      .map(([key, value]) => [key, NOT_FOR_OURS.test(key) ? undefined : value]),
  ),
  ...(options.config === undefined ? {} : { RCLONE_CONFIG: expandHome(options.config) }),
  RCLONE_RC_ADDR: listen,
  RCLONE_RC_USER: RC_USER,
  RCLONE_RC_PASS: password,
  RCLONE_RC_SERVE: 'true',
  RCLONE_LOG_LEVEL: 'INFO', // It says of each file that it is copied.
  RCLONE_USE_JSON_LOG: 'true',
  RCLONE_TRANSFERS: String(options.transfers),
  RCLONE_ASK_PASSWORD: 'false',
  // Without these a file that looks the same is left out, and a move deletes what it replaces first.
  RCLONE_IGNORE_TIMES: 'true',
  RCLONE_NO_CHECK_DEST: 'true',
  RCLONE_INPLACE: 'true',
  RCLONE_CONFIG_ISOCKETDEST_TYPE: 'alias',
  RCLONE_CONFIG_ISOCKETDEST_REMOTE: options.remote,
  RCLONE_CONFIG_ISOCKETSOURCE_TYPE: 'local',
  RCLONE_CONFIG_ISOCKETSOURCE_COPY_LINKS: 'true',
});

/** Before 1.62 rclone listens on TCP alone. */
const withoutUnixSockets = new Set<string>();

/** @throws TransportError `auth` where it does not start */
export const startRclone = async (
  options: RcloneOptions,
  stateFolder: string,
  signal: AbortSignal,
): Promise<RcloneProcess> => {
  const program = expandHome(options.program);
  if (!isProgram(program))
    throw cannotStart(`"${program}" is not installed`, 'install rclone, or name it with destination.program');
  const password = randomBytes(24).toString('base64url');
  const folder = makeControlFolder(stateFolder);
  try {
    if (!withoutUnixSockets.has(program)) {
      const listen = `unix://${folder.socket}`;
      const started = await start(program, environment(options, listen, password), signal);
      if (!(started instanceof Error)) return running(started, { socketPath: folder.socket }, password, folder);
      if (!/rc server|address|listen/i.test(started.message)) throw started;
      withoutUnixSockets.add(program);
    }
    const started = await start(program, environment(options, '127.0.0.1:0', password), signal);
    if (started instanceof Error) throw started;
    const port = Number(/:(\d+)/.exec(started.address)?.[1]);
    return running(started, { host: '127.0.0.1', port }, password, folder);
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
};

const isProgram = (program: string): boolean => {
  if (!program.includes('/')) return isOnPath(program);
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const cannotStart = (state: string, hint: string): TransportError =>
  new TransportError('auth', `Cannot use rclone: ${state}`, { hint });

const START_MS = 60_000;

interface Started {
  readonly child: Child;
  readonly log: LogLines;
  readonly address: string;
}

/** Until it listens. An error: what it said before it ended. */
const start = async (
  program: string,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Started | TransportError> => {
  const child = startChild(program, ['rcd'], { env });
  const log = new LogLines(child.stderr);
  child.stdin.end();
  child.stdout.resume();
  const stopped = Promise.withResolvers<undefined>();
  const serving = Promise.withResolvers<string>();
  const stop = (): void => stopped.resolve(undefined);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
  limit.addEventListener('abort', stop, { once: true });
  using stack = new DisposableStack();
  stack.defer(() => limit.removeEventListener('abort', stop));
  stack.use(
    log.listen(({ text }) => {
      const address = SERVING.exec(text)?.[1];
      if (address !== undefined) serving.resolve(address);
    }),
  );
  const address = await Promise.race([serving.promise, child.ended.then(() => undefined), stopped.promise]);
  if (address !== undefined) return { child, log, address };
  child.end();
  await child.ended;
  signal.throwIfAborted();
  const said = log.lastWords === '' ? 'it ended, or did not begin to listen, without a word' : log.lastWords;
  return cannotStart(said, 'try "rclone rcd" by hand, as this user');
};

const running = (
  { child, log }: Started,
  address: RcAddress,
  password: string,
  folder: ControlFolder,
): RcloneProcess => {
  const client = new RcClient(address, password);
  const ended = new AbortController();
  void child.ended.then(() => ended.abort());
  return {
    client,
    pid: child.pid,
    ended: ended.signal,
    log,
    close: async () => {
      child.end();
      await child.ended;
      client.close();
      folder[Symbol.dispose]();
    },
  };
};
