import { TransportError, type TransportErrorClass } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { OptionalOption } from './capabilities.ts';
import { unescapeName } from './output.ts';

/** How a run ended. */
export interface RunEnd {
  /** undefined: a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stderr: string;
}

/**
 * What that means for the files that were not confirmed:
 * `files` each has its own reason · `stopped` rsync gave up at one file, the others had no turn · `line` no file had its turn ·
 * `refused` the other end does not know these options.
 */
export type Verdict =
  | { readonly kind: 'files' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'line'; readonly class: TransportErrorClass; readonly state: string; readonly hint: string }
  | { readonly kind: 'refused'; readonly options: readonly OptionalOption[] };

const FULL = /No space left on device|Disk quota exceeded/;
const DENIED = /Permission denied|Operation not permitted|Read-only file system/;
const MAKE_ROOM = 'make room at the destination; isocket goes on by itself';
const MAY_NOT_WRITE = 'give the account the right to write there, or correct destination.path';

/** rrsync lets one in at a time, and another one is there. */
export const isBusy = ({ exitCode, stderr }: RunEnd): boolean =>
  exitCode !== 0 && /Another instance of rrsync/.test(stderr);

/** rsync(1), EXIT VALUES. Pure. */
export const judgeRun = (end: RunEnd): Verdict => {
  const { exitCode, stderr } = end;
  const line = (errorClass: TransportErrorClass, state: string, hint: string): Verdict => ({
    kind: 'line',
    class: errorClass,
    state,
    hint,
  });
  if (exitCode === 0) return { kind: 'files' };
  if (FULL.test(stderr)) return line('destination-full', 'no space left on device', MAKE_ROOM);
  if (isBusy(end)) return line('network', 'another rsync is there all the time', 'see what else uses this key');
  const options = refusedOptions(stderr);
  if (options.length > 0) return { kind: 'refused', options };
  const base = /\[Receiver\] (?:mkdir|change_dir)[^\n]*|\[Receiver\][^\n]*destination must be a directory[^\n]*/i.exec(
    stderr,
  );
  if (base !== null && exitCode !== 23 && exitCode !== 24) return line('auth', words(base[0]), MAY_NOT_WRITE);
  if (
    /command not found|rsync: not found|No such file or directory \(2\)\s*$/m.test(stderr) &&
    exitCode !== undefined &&
    /^(12|126|127)$/.test(String(exitCode))
  )
    return line('auth', 'there is no rsync at the destination', 'install rsync there');
  if (/has been disabled on this server|rrsync error|unsafe arg|invalid rsync-command|option.*disabled/.test(stderr))
    return line('auth', firstWords(stderr), 'see what rrsync allows this key, in authorized_keys there');
  if (/is your shell clean/.test(stderr))
    return line(
      'auth',
      'something else than rsync answers at the destination',
      'an account that has SFTP only wants transport: sftp; of any other, make the start-up files of its shell silent',
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
      return line('auth', firstWords(stderr), 'see that rsync 3.1 or newer is at both ends');
    case 30:
      return line('network', 'nothing came from the destination for two minutes', 'see that it is well');
    default:
      return line('network', firstWords(stderr), 'see that the line and the server are well');
  }
};

const refusedOptions = (stderr: string): OptionalOption[] => {
  const known: readonly OptionalOption[] = ['fsync', 'mkpath', 'partial-dir', 'remove-source-files'];
  const named = known.filter((option) =>
    new RegExp(`--${option}(?:=\\S*)?: unknown option|option --?${option} has been disabled`).test(stderr),
  );
  // An rrsync that does not know an option does not say which one.
  if (named.length === 0 && /invalid rsync-command syntax or options/.test(stderr)) return ['fsync', 'mkpath'];
  return named;
};

/**
 * Why this one file was not confirmed by a run that had its turn; undefined where stderr does not name it.
 * @param target as it was listed: "DC1/sub/file"
 */
export const fileProblem = (stderr: string, target: Name, destination: string): TransportError | undefined => {
  const lines = stderr.split('\n');
  const own = lines.find((line) => names(line, target));
  if (own === undefined) return undefined;
  // Where the folder could not be made, its files fail because it is not there: the folder's reason is the one to tell.
  const folder = lines.find((line) => / mkdir "/.test(line));
  const reason = own.includes('No such file or directory') && folder !== undefined ? folder : own;
  const errorClass = reason === folder && DENIED.test(reason) ? 'auth' : 'file';
  return new TransportError(errorClass, `Cannot send "${showName(target)}" to ${destination}: ${words(reason)}`, {
    hint: hintFor(reason),
  });
};

const hintFor = (reason: string): string => {
  if (DENIED.test(reason)) return MAY_NOT_WRITE;
  if (/make way|non-empty directory|Is a directory/.test(reason))
    return 'move the directory of that name out of the way there';
  if (/Too many levels of symbolic links/.test(reason))
    return 'destination.path leads over a link of somebody else; name the place itself';
  return 'look at the destination for the reason';
};

/** Does a line speak of this file, under its own name or under the temporary one, `.NAME.XXXXXX`? */
const names = (line: string, target: Name): boolean => {
  const said = unescapeName(Buffer.from(line, 'latin1'));
  const slash = target.lastIndexOf('/') + 1;
  const [folder, name] = [target.slice(0, slash), target.slice(slash)];
  if (said.endsWith(`: ${target}`) || said.includes(`/${target}"`) || said.includes(`"${target}"`)) return true;
  // A hidden name gets no second dot.
  const temporary = `/${folder}${name.startsWith('.') ? '' : '.'}${name}.`;
  const at = said.indexOf(temporary);
  return at !== -1 && /^\w{6}"/.test(said.slice(at + temporary.length));
};

/** Without the program, the place in its source and its file names, which the message has already. */
const words = (line: string): string =>
  line
    .replace(/^rsync(?: error)?: /, '')
    .replace(/^\[\w+\] /, '')
    .replace(/ \(code \d+\) at \S+ \[[^\]]*\]$/, '')
    .replace(/\p{Cc}/gu, '?')
    .slice(0, 300);

const firstWords = (stderr: string): string =>
  words(
    stderr.split('\n').find((line) => line.trim() !== '' && !line.includes('connection unexpectedly closed')) ??
      'rsync was ended',
  );
