import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ConfigError, problemsOf } from '../../core/config-problems.ts';
import { destinationPath, localFile } from '../../core/destination-words.ts';

/** The `destination` section of an `rclone` destination, with every default filled in. */
export interface RcloneOptions {
  /** The whole place as rclone writes it, without a slash at the end: "s3:bucket/backup/ED1". */
  readonly remote: string;
  /** rclone.conf; undefined: where rclone looks for it by itself. */
  readonly config: string | undefined;
  readonly program: string;
  /** Files at once, 1 or more. */
  readonly transfers: number;
  readonly allowDeleteFirst: boolean;
}

const REMOTE = 'a remote as rclone writes it, such as s3:bucket or /mnt/backup';
const TRANSFERS = 'a whole number from 1 to 256';
const file = z.string().regex(/^[^\0]+$/, { error: 'a file' });

/** "name:path", ":type,option=value:path" or a path of this host. */
const REMOTE_FORM = /^(?::?[\p{L}\p{N}_.+@ ][\p{L}\p{N}_.+@ -]*(?:,[^\0\r\n]*)?:|\/)[^\0\r\n]*$/u;

export const rcloneOptionsSchema = z.strictObject({
  transport: z.literal('rclone'),
  remote: z
    .string({ error: REMOTE })
    .regex(REMOTE_FORM, { error: REMOTE })
    .describe('A remote of rclone.conf, with or without a path'),
  path: destinationPath(z.string().regex(/^[^\0\r\n]+$/, { error: 'a path at the remote' }))
    .optional()
    .describe('DC1/sub/file lands below it; what is written in remote comes before it'),
  config: localFile(file).optional().describe('rclone.conf; default: as rclone finds it'),
  program: localFile(file).default('rclone').describe('The rclone program, if it is not on PATH'),
  transfers: z
    .int({ error: TRANSFERS })
    .min(1, { error: TRANSFERS })
    .max(256, { error: TRANSFERS })
    .default(4)
    .describe('Files at once; more for a far object store and small files'),
  allowDeleteFirst: z
    .boolean()
    .default(false)
    .describe('Where a remote cannot replace a file by a move, the old one may be deleted first'),
});

/** Pure. @throws ConfigError with every problem of the section */
export const parseRcloneOptions = (input: Readonly<Record<string, unknown>>): RcloneOptions => {
  const parsed = rcloneOptionsSchema.safeParse(input);
  if (!parsed.success) throw new ConfigError('destination', problemsOf(parsed.error, input, rcloneOptionsSchema));
  const { remote, path, config, program, transfers, allowDeleteFirst } = parsed.data;
  return { remote: joinPath(remote, path), config, program, transfers, allowDeleteFirst };
};

/** "s3:" and "bucket" → "s3:bucket"; "sftp:" and "/backup" → "sftp:/backup". "s3:" and "/" stay what they are. */
const joinPath = (remote: string, path: string | undefined): string => {
  const whole = path === undefined ? remote : remote.endsWith(':') ? remote + path : `${remote.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`; // prettier-ignore
  return whole.replace(/(?<=[^:])\/+$/, '') || '/';
};

/** For messages: a remote that is written out (":s3,secret_access_key=…:bucket") may have secrets in it. */
export const showRemote = (remote: string): string => remote.replace(/^(:?[^,:/]+),.*:/, '$1,…:');

/** For messages and `finished.watch`: what is not shown of a remote, and whose `rclone.conf` it is in, tells destinations apart all the same. */
export const labelOf = ({ remote, config }: Pick<RcloneOptions, 'remote' | 'config'>): string => {
  const shown = showRemote(remote);
  if (shown === remote && config === undefined) return `rclone://${shown}`;
  const rest = createHash('sha256')
    .update(JSON.stringify([remote, config]))
    .digest('hex')
    .slice(0, 8);
  return `rclone://${shown}#${rest}`;
};
