import { TransportError, type TransportErrorClass } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { OptionalOption } from './capabilities.ts';
import { SESSION_REFUSED } from '../../ssh/program/sftp-channel.ts';
import { MAKE_ROOM } from '../next-try.ts';
import { RENAME_IT } from '../sftp/server-words.ts';
import { unescapeName } from './output.ts';

/** The end of one rsync process. */
export interface RunEnd {
  /** undefined: killed by a signal. */
  readonly exitCode: number | undefined;
  readonly stderr: string;
  /** It stood still for so long, and was ended: see progress.ts. */
  readonly stalledMs?: number;
  /** No rsync has answered, and the server answers SFTP: see first-contact.ts. */
  readonly sftpOnly?: boolean;
  /** It was to set permissions. */
  readonly setsPermissions?: boolean;
}

/**
 * What a run's end means for the files that were not confirmed:
 * `files` each has its own reason · `stopped` rsync gave up at one file, the rest was not tried · `connection` no file was tried, or
 * the destination is full · `refused` the remote end lacks or forbids these options.
 */
export type Verdict =
  | { readonly kind: 'files' }
  | { readonly kind: 'stopped' }
  | ConnectionVerdict
  | { readonly kind: 'refused'; readonly options: readonly OptionalOption[] };

export interface ConnectionVerdict {
  readonly kind: 'connection';
  readonly class: TransportErrorClass;
  readonly state: string;
  readonly hint: string;
}

/** @param action what could not be done, and where: `verify files at rsync://…` */
export const connectionError = (action: string, verdict: ConnectionVerdict): TransportError =>
  new TransportError(verdict.class, `Cannot ${action}: ${verdict.state}`, { hint: verdict.hint });

/** The start of what rsync wrote on stderr, for a message. */
export const excerpt = (stderr: string): string => stderr.trim().slice(0, 300);

const FULL = /No space left on device|Disk quota exceeded/;
const DENIED = /Permission denied|Operation not permitted|Read-only file system/;
const BAD_NAME = /Invalid argument|File name too long|Illegal byte sequence|Invalid or incomplete multibyte/;
const IN_THE_WAY = /make way|non-empty directory|Is a directory/;
const MAY_NOT_WRITE = 'give the account the right to write there, or correct destination.path';

const MAY_NOT_SET_TIMES =
  'let the account set the times of its files there: they must belong to it (root_squash and mount options may give them to another owner), and the file system must keep times';
const MAY_NOT_CHMOD = 'let the account change the permissions of its files there: they must belong to it';

const stoodStill = (ms: number): string => `rsync made no progress for ${Math.round(ms / 1000)} s, and was ended`;

/** Pure. How it ended, in words. */
export const showEnd = ({ exitCode, stderr, stalledMs }: RunEnd): string => {
  const how = stalledMs === undefined ? `rsync ended with ${exitCode ?? 'a signal'}` : stoodStill(stalledMs);
  return stderr.trim() === '' ? how : `${how}: ${showName(excerpt(stderr))}`;
};

const NO_PERMISSIONS = /failed to set permissions on "/;
const NOT_ALL = /^rsync error: some files\/attrs were not transferred/;

/** Pure. All is there under its final name, but for permissions that a file system does not have. */
export const isWhole = ({ exitCode, stderr }: RunEnd): boolean => {
  if (exitCode !== 23) return exitCode === 0;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return NO_PERMISSIONS.test(stderr) && lines.every((line) => NO_PERMISSIONS.test(line) || NOT_ALL.test(line));
};

/** Pure. No file could be made: of a folder where that is forbidden, or of a file system that has no permissions to set. */
export const mayLackPermissions = ({ stderr, setsPermissions }: RunEnd): boolean =>
  setsPermissions === true && / mkstemp ".*(?:Operation not permitted|not supported|not implemented)/.test(stderr);

/** rrsync admits one rsync at a time, and another one is running. */
export const isBusy = ({ exitCode, stderr }: RunEnd): boolean =>
  exitCode !== 0 && /Another instance of rrsync/.test(stderr);

const NOTHING_CAME = /connection unexpectedly closed \(0 bytes received so far\)/;
/** Any other line than rsync's own of that. */
const SAID_ELSE = /^(?!.*connection unexpectedly closed|rsync error: error in rsync protocol data stream|\s*$)/m;

const NO_RSYNC = /command not found|rsync: not found|No such file or directory \(2\)\s*$/m;
const RRSYNC = /has been disabled on this server|rrsync error|unsafe arg|invalid rsync-command|option.*disabled/;

/** Pure. The far end has said why it does not start rsync. */
export const isExplained = ({ stderr }: RunEnd): boolean =>
  [NO_RSYNC, RRSYNC, SESSION_REFUSED, /Another instance of rrsync|unknown option/].some((words) => words.test(stderr));

/** Pure. Exit codes: rsync(1), EXIT VALUES. */
export const judgeRun = (end: RunEnd): Verdict => {
  const { exitCode, stderr } = end;
  const connection = (errorClass: TransportErrorClass, state: string, hint: string): Verdict => ({
    kind: 'connection',
    class: errorClass,
    state,
    hint,
  });
  if (exitCode === 0) return { kind: 'files' };
  if (end.sftpOnly === true)
    return connection(
      'auth',
      'the server takes SFTP only: it answers that, and runs no command',
      'set transport: sftp',
    );
  if (FULL.test(stderr)) return connection('destination-full', 'no space left on device', MAKE_ROOM);
  if (isBusy(end))
    return connection('network', 'rrsync is busy with another rsync', 'find out what else uses this key');
  if (end.stalledMs !== undefined) {
    // What it said of files is true of them; of the others nothing is known.
    if (/\[(?:receiver|generator)\]/i.test(stderr)) return { kind: 'stopped' };
    return connection('network', stoodStill(end.stalledMs), 'see whether the host or the disk there hangs');
  }
  if (SESSION_REFUSED.test(stderr)) {
    const cure = 'raise MaxSessions in sshd_config there (the default is 10), or set transport: sftp';
    return connection('network', 'the server opens no further session on this connection', cure);
  }
  const options = refusedOptions(stderr);
  if (options.length > 0) return { kind: 'refused', options };
  const base = /\[Receiver\] (?:mkdir|change_dir)[^\n]*|\[Receiver\][^\n]*destination must be a directory[^\n]*/i.exec(
    stderr,
  );
  if (base !== null && exitCode !== 23 && exitCode !== 24) return connection('auth', plainText(base[0]), MAY_NOT_WRITE);
  if (NO_RSYNC.test(stderr) && exitCode !== undefined && /^(12|126|127)$/.test(String(exitCode)))
    return connection('auth', 'there is no rsync at the destination', 'install rsync there');
  if (RRSYNC.test(stderr))
    return connection(
      'auth',
      firstLine(stderr),
      'see what rrsync allows this key, in authorized_keys at the destination',
    );
  if (/is your shell clean/.test(stderr))
    return connection(
      'auth',
      'something other than rsync answers at the destination',
      'for an account that has SFTP only, or a login shell that runs nothing (nologin; getent passwd), set transport: sftp; otherwise make its shell’s start-up files print nothing',
    );
  if (exitCode === 12 && NOTHING_CAME.test(stderr) && !SAID_ELSE.test(stderr))
    return connection(
      'network',
      'what is started there for rsync ends at once, without a word',
      'see the login shell of the account there (getent passwd): it has to run commands, which /bin/false does not; if it does, see the server’s log',
    );
  switch (exitCode) {
    case 23:
    case 24:
      return { kind: 'files' };
    case 11:
    case 3:
      return { kind: 'stopped' };
    case 1:
    case 2:
    case 4:
    case 6:
    case 126:
    case 127:
      return connection('auth', firstLine(stderr), 'install rsync 3.1 or newer at both ends');
    case 30:
      return connection('network', 'the destination was silent for two minutes', 'check the server and the connection');
    default:
      return connection('network', firstLine(stderr), 'check the server and the connection');
  }
};

const refusedOptions = (stderr: string): OptionalOption[] => {
  const known: readonly OptionalOption[] = ['fsync', 'mkpath', 'partial-dir', 'remove-source-files'];
  const named = known.filter((option) =>
    new RegExp(`--${option}(?:=\\S*)?: unknown option|option --?${option} has been disabled`).test(stderr),
  );
  // rrsync does not say which option it does not know.
  if (named.length === 0 && /invalid rsync-command syntax or options/.test(stderr)) return ['fsync', 'mkpath'];
  return named;
};

/**
 * Pure. Why a run that tried this file did not confirm it; undefined where stderr does not name it.
 * @param target as listed: "DC1/sub/file"
 */
export const fileProblem = (stderr: string, target: Name, destination: string): TransportError | undefined => {
  const lines = stderr.split('\n');
  const own = lines.find((line) => namesFile(line, target));
  if (own === undefined) return undefined;
  // Files of a folder that could not be created fail with ENOENT: the folder's own error is the reason.
  const folder = lines.find((line) => / mkdir "/.test(line));
  const reason = own.includes('No such file or directory') && folder !== undefined ? folder : own;
  return new TransportError(
    'file',
    `Cannot send "${showName(target)}" to ${destination}: ${IN_THE_WAY.test(reason) ? 'a folder stands where the file must go' : plainText(reason)}`,
    {
      hint: hintFor(reason),
      ...(FULL.test(reason) ? { cause: new TransportError('destination-full', plainText(reason)) } : {}),
    },
  );
};

const hintFor = (reason: string): string => {
  if (/failed to set times on "/.test(reason)) return MAY_NOT_SET_TIMES;
  if (/failed to set permissions on "/.test(reason)) return MAY_NOT_CHMOD;
  if (DENIED.test(reason)) return MAY_NOT_WRITE;
  if (FULL.test(reason)) return MAKE_ROOM;
  if (IN_THE_WAY.test(reason)) return 'move away the folder of that name there';
  if (/Too many levels of symbolic links/.test(reason))
    return 'destination.path contains a link of another user; set it to the folder itself';
  if (BAD_NAME.test(reason)) return RENAME_IT;
  return 'look for the reason at the destination';
};

/** Whether a line of stderr names this file, by its own name or its temporary one, `.NAME.XXXXXX`. */
export const namesFile = (line: string, target: Name): boolean => {
  const text = unescapeName(Buffer.from(line, 'latin1'));
  const slash = target.lastIndexOf('/') + 1;
  const [folder, name] = [target.slice(0, slash), target.slice(slash)];
  if (text.endsWith(`: ${target}`) || text.includes(`/${target}"`) || text.includes(`"${target}"`)) return true;
  // rsync prefixes a dot only to names without one.
  const temporary = `/${folder}${name.startsWith('.') ? '' : '.'}${name}.`;
  const at = text.indexOf(temporary);
  return at !== -1 && /^\w{6}"/.test(text.slice(at + temporary.length));
};

/** Without the program's name and the position in rsync's source. */
const plainText = (line: string): string =>
  line
    .replace(/^rsync(?: error)?: /, '')
    .replace(/^\[\w+\] /, '')
    .replace(/ \(code \d+\) at \S+ \[[^\]]*\]$/, '')
    .replace(/\p{Cc}/gu, '?')
    .slice(0, 300);

const firstLine = (stderr: string): string =>
  plainText(
    stderr.split('\n').find((line) => line.trim() !== '' && !line.includes('connection unexpectedly closed')) ??
      'rsync was killed',
  );
