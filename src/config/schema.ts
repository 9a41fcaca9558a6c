import { z } from 'zod';
import { localFile, rootedPath } from '../core/destination-words.ts';
import { parseBandwidth } from '../core/bandwidth.ts';
import { alertsSchema, hooksSchema } from './hooks-schema.ts';
import { duration } from './duration.ts';
import { receiveStatusSchema, statusSchema } from './status-schema.ts';
import { mayBeRoot } from './system-folders.ts';

const PATH = 'an absolute path';
const ADDRESS = 'HOST:PORT, such as 0.0.0.0:2222';
const COUNT = 'a whole number, 1 or more';
const BANDWIDTH =
  'a number of bytes a second, such as 20MB/s, or one for each time of the day, such as "08:00 20MB/s, 19:00 off"';

const NOT_A_ROOT =
  'a folder of the parser alone, or with a source.tag that picks its directories: all files in them are sent and get g+w';
const absolutePath = rootedPath(PATH).overwrite((path) => path.replace(/(?<=.)\/+$/, ''));

const file = localFile(z.string().min(1, { error: 'a file' }));

const address = z.string({ error: ADDRESS }).regex(/^(\[[^\]]+\]|[^:]+):\d{1,5}$/, { error: ADDRESS });

const holdAfter = z.int({ error: COUNT }).min(1, { error: COUNT });

/** As DEFAULT_LIMITS of the receiver. */
const receiveLimits = z
  .strictObject({
    logins: z.int().min(1).default(128).describe('Connections that have not logged in yet; beyond it the oldest ends'),
    loginsPerAddress: z.int().min(1).default(32).describe('The same, of one address'),
    connections: z.int().min(1).default(512).describe('Connections that have logged in'),
    connectionsPerAddress: z.int().min(1).default(256).describe('The same, of one address'),
    connectionsPerKey: z.int().min(1).default(64).describe('The same, of one key'),
    login: duration('20s', 'Who has not logged in by then is disconnected'),
    idle: duration('1h', 'Who asks nothing for so long is disconnected'),
    keepAlive: duration('15s', 'A silent client is asked so often whether it is there; three times unanswered ends it'),
    end: duration('30s', 'So long SIGTERM waits for files that are open'),
  })
  .prefault({})
  .describe('How much strangers, one address and one key may take');

/** The section `receive`: contract.md §8. */
export const receiveSchema = z
  .strictObject({
    root: absolutePath.describe('The folder that clients see as /'),
    listen: address.describe('Where it listens'),
    authorizedKeys: file.describe('A file: the public keys that may log in'),
    hostKey: z
      .union([file, z.array(file).min(1)])
      .nullable()
      .default(null)
      .describe('A file, made on first start; or a list of them, one of a kind of key'),
    appendOnly: z
      .boolean()
      .default(false)
      .describe('Clients add files; what is complete they can neither change, rename nor remove'),
    keepVersions: z
      .boolean()
      .default(false)
      .describe('With appendOnly: a changed file is taken, and the old one stays beside as "name.~1~"'),
    atomicPuts: z.boolean().default(false).describe('New files have a temporary name until they are closed'),
    allowRoot: z.boolean().default(false).describe('Run as root all the same'),
    limits: receiveLimits,
    status: receiveStatusSchema,
  })
  .nullable()
  .default(null)
  .describe('What "isocket receive" takes, on a host that receives');

/** The whole file: contract.md §6. Destinations are checked one by one by their transports. */
export const configSchema = z.strictObject({
  site: z
    .string()
    .regex(/^(?!\.)[^/\0]{1,200}$/, { error: 'a name without "/" that does not begin with "."' })
    .optional()
    .describe('The name of the site. Default: the host’s name'),
  source: z
    .strictObject({
      root: absolutePath.describe('The folder under which the parser makes directories'),
      tag: z
        .string()
        .regex(/^[^/\0]*$/, { error: 'the beginning of a name, without "/"' })
        .default('')
        .describe('Directories whose name begins with this; "" for all'),
      newest: z.enum(['birth', 'name', 'mtime']).default('birth').describe('What makes a directory the newest'),
      settle: duration('2s', 'A file without a close event counts as complete after this quiet time'),
      superseded: duration('30s', 'A directory that only a newer one closed is finished after this quiet time'),
      rescan: duration('30s', 'The daemon lists everything again this often'),
      exclude: z.array(z.string()).default(['.*']).describe('Globs of names that are not sent, at any depth'),
      watcher: z
        .enum(['auto', 'inotifywait', 'chokidar'])
        .default('auto')
        .describe('What reports changes. auto: inotifywait where it is installed'),
      trustMarks: z
        .boolean()
        .default(false)
        .describe('true: a g+w that no record explains counts as sent, without asking the destination'),
    })
    .refine(mayBeRoot, { path: ['root'], error: NOT_A_ROOT }),
  // Parsed one by one below, so that each problem is reported with its path.
  destination: z.unknown().optional(),
  send: z
    .strictObject({
      durable: z.boolean().default(true).describe('Mark only what the destination has on stable storage'),
      bandwidth: z
        .string({ error: BANDWIDTH })
        .refine((text) => parseBandwidth(text) !== undefined, { error: BANDWIDTH })
        .nullable()
        .default(null)
        .describe('As "20MB/s", or by the hours of the day; null: no limit'),
      retry: z
        .strictObject({
          first: duration('1s', 'Back-off doubles from here'),
          most: duration('60s', 'Up to here, each time anywhere below it'),
          hold: holdAfter
            .default(5)
            .describe('After so many failures a file is held: it is tried again at the slowest pace, and shown'),
        })
        .prefault({}),
    })
    .prefault({}),
  verify: z.enum(['sent', 'all', 'checksum', 'off']).default('sent').describe('What is checked before finished.watch'),
  announce: z.boolean().default(false).describe('Deliver finished.parse too, as the very last act'),
  manifest: z
    .boolean()
    .default(false)
    .describe('Deliver SHA256SUMS of each directory too, for "sha256sum -c" at the destination'),
  state: absolutePath
    .nullable()
    .default(null)
    .describe('The state folder. null: /var/lib/isocket/SITE, or ~/.local/state/isocket/SITE'),
  log: z
    .strictObject({
      level: z
        .enum(['error', 'warning', 'info', 'debug'])
        .default('info')
        .describe('The least that is logged; --verbose and --quiet say it for stderr'),
      format: z.enum(['text', 'json']).default('text').describe('json: one object a line'),
      file: absolutePath
        .nullable()
        .default(null)
        .describe('A file that gets the log too, and is found again after logrotate'),
    })
    .prefault({}),
  status: statusSchema,
  hooks: hooksSchema,
  alerts: alertsSchema,
  receive: receiveSchema,
});
