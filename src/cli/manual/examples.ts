import type { z } from 'zod';
import type { configSchema } from '../../config/schema.ts';
import type { rcloneOptionsSchema } from '../../transports/rclone/options.ts';
import type { rsyncOptionsSchema } from '../../transports/rsync/options.ts';
import type { sftpOptionsSchema } from '../../transports/sftp/options.ts';

/** A section with every key. */
type Filled<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]-?: Filled<NonNullable<T[Key]>> }
    : T;
type Example<Schema extends z.ZodType> = Filled<z.input<Schema>>;

/** Of each key one value that is not its default. Not one configuration: some exclude one another. */
export const EXAMPLE: Omit<Example<typeof configSchema>, 'destination'> = {
  site: 'ED1',
  source: {
    root: '/datas',
    tag: 'DC',
    newest: 'name',
    settle: '10s',
    superseded: '5m',
    rescan: '2m',
    exclude: ['.*', '*.tmp'],
    watcher: 'chokidar',
    trustMarks: true,
  },
  send: {
    durable: false,
    bandwidth: '08:00 20MB/s, 19:00 off',
    retry: { first: '5s', most: '10m', hold: 20 },
  },
  verify: 'checksum',
  announce: true,
  manifest: true,
  state: '/var/lib/isocket/ED1',
  log: { level: 'debug', format: 'json', file: '/var/log/isocket/ED1.log' },
  status: { listen: '127.0.0.1:9180', textfile: '/var/lib/prometheus/node-exporter/isocket-ED1.prom' },
  hooks: {
    finished: '/usr/local/bin/dc-arrived',
    alert: ['sh', '/usr/local/lib/isocket/templates/alert-mail', 'ops@example.org'],
    ping: 'https://hc-ping.com/UUID',
    timeout: '2m',
    pingEvery: '1m',
  },
  alerts: { unsent: '6h', down: '1h', success: '2d', held: false, late: false, silent: '6h', umask: false },
  receive: {
    root: '/backup',
    listen: '0.0.0.0:2222',
    authorizedKeys: '/etc/isocket/receive/authorized_keys',
    hostKey: '/etc/isocket/receive/host_key',
    appendOnly: true,
    keepVersions: true,
    atomicPuts: true,
    allowRoot: true,
    limits: {
      logins: 64,
      loginsPerAddress: 16,
      connections: 1024,
      connectionsPerAddress: 64,
      connectionsPerKey: 16,
      login: '10s',
      idle: '10m',
      keepAlive: '1m',
      end: '10s',
    },
    status: { listen: '127.0.0.1:9181', textfile: '/var/lib/prometheus/node-exporter/isocket-receive.prom' },
  },
};

/** Of every destination, whatever its transport. */
export const REQUIRED_EXAMPLE = false;
/** One that is not required stands beside one that is. */
export const DESTINATIONS_EXAMPLE: readonly Readonly<Record<string, string | boolean>>[] = [
  { transport: 'sftp', host: 'drms.example.org', path: '/backup/ED1' },
  { transport: 'sftp', host: 'second.example.org', path: '/backup/ED1', required: REQUIRED_EXAMPLE },
];
/** By path; a package goes by its name. */
export const OWN_TRANSPORT_EXAMPLE = './my-transport.mjs';

export const SFTP_EXAMPLE: Example<typeof sftpOptionsSchema> = {
  transport: 'sftp',
  host: 'drms.example.org',
  path: '/backup/ED1',
  port: 2222,
  user: 'isocket',
  identityFile: '/etc/isocket/ED1/id_ed25519',
  agent: true,
  passphraseFile: '/etc/isocket/ED1/passphrase',
  ssh: 'system',
  knownHosts: '/etc/isocket/ED1/known_hosts',
  allowDeleteFirst: true,
};

export const RSYNC_EXAMPLE: Example<typeof rsyncOptionsSchema> = {
  transport: 'rsync',
  path: '/backup/ED1',
  host: 'drms.example.org',
  port: 2222,
  user: 'isocket',
  identityFile: '/etc/isocket/ED1/id_ed25519',
  agent: true,
  passphraseFile: '/etc/isocket/ED1/passphrase',
  knownHosts: '/etc/isocket/ED1/known_hosts',
};

export const RCLONE_EXAMPLE: Example<typeof rcloneOptionsSchema> = {
  transport: 'rclone',
  remote: 's3:bucket',
  path: 'ED1',
  config: '/etc/isocket/ED1/rclone.conf',
  program: '/usr/local/bin/rclone',
  transfers: 16,
  allowDeleteFirst: true,
};
