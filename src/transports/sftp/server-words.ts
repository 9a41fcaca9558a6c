import { Status } from '../../sftp/protocol.ts';
import type { SftpStatusError } from '../../sftp/replies.ts';

/** What stands behind a failure for which version 3 has no status: no space, nothing can be written, a name that is not taken. */
export type Trouble = 'full' | 'read-only' | 'name';

/** Statuses of later versions, which some servers send all the same. */
const STATUSES: Readonly<Record<number, Trouble>> = {
  [Status.WRITE_PROTECT]: 'read-only',
  [Status.NO_SPACE_ON_FILESYSTEM]: 'full',
  [Status.QUOTA_EXCEEDED]: 'full',
  [Status.INVALID_FILENAME]: 'name',
};

const WORDS: readonly (readonly [RegExp, Trouble])[] = [
  [/no space left|(?:disk|device|file ?system) (?:is )?full|quota exceeded|over quota|ENOSPC|EDQUOT/i, 'full'],
  [/(?:not enough|insufficient|out of|remaining) (?:free |disk |storage )*space/i, 'full'],
  [/read[- ]only|write[- ]protected|EROFS/i, 'read-only'],
  [
    /invalid argument|(?:invalid|illegal|bad) (?:file ?)?name|name (?:is )?too long|EINVAL|EILSEQ|ENAMETOOLONG/i,
    'name',
  ],
  [
    /illegal byte sequence|invalid or incomplete multibyte|invalid (?:continuation|start) byte|surrogates not allowed/i,
    'name',
  ],
];

/** Pure. By the server's status and words, in which names of files do not count. */
export const troubleInWords = ({ status, message }: SftpStatusError): Trouble | undefined => {
  const known = STATUSES[status];
  if (known !== undefined) return known;
  const reason = reasonIn(message);
  return WORDS.find(([words]) => words.test(reason))?.[1];
};

/** Of "open PATH: reason" (Go), "[Errno 28] reason: 'PATH'" (Python). */
const reasonIn = (message: string): string => {
  const unquoted = message.replace(/: *(?:'.*'|".*"|b'.*') *$/s, '');
  return unquoted.slice(unquoted.lastIndexOf(': ') + 1).trim();
};

/** Go's servers say the whole path: that of a temporary file is another one each time, and nobody's to look for. Pure. */
export const wordsOf = ({ message }: Pick<SftpStatusError, 'message'>): string =>
  message.replace(/[^\s"':]*\/?\.isocket-[0-9a-f]{8}-[0-9a-z]+\.part/g, 'the temporary file');

const DENIED = /not permitted|permission denied|access (?:is )?denied|EPERM|EACCES/i;
const TOO_LARGE = /file (?:is )?too (?:large|big)|EFBIG/i;
/** No reason, but the name of the status. */
const WORDLESS =
  /^(?:\W|an?|the|ssh|fx|sftp|general|unknown|unspecified|operation|request|error|fail(?:ure|ed)?|status|[\d_])*$/i;

/** What isocket does with a request, in the words of a right that an account has. */
const PURPOSES: Readonly<Record<string, string>> = {
  'OPEN to write': 'write (files of any name: .isocket-….part until they are complete)',
  WRITE: 'write',
  CLOSE: 'write',
  fsync: 'write',
  MKDIR: 'make folders',
  RENAME: 'rename files',
  'posix-rename': 'rename files',
  REMOVE: 'remove its files',
  RMDIR: 'remove its folders',
  SETSTAT: 'change times and permissions of its files',
  FSETSTAT: 'change times and permissions of its files',
  'OPEN to read': 'read files',
  READ: 'read files',
  OPENDIR: 'list folders',
  READDIR: 'list folders',
  STAT: 'look at files (LSTAT, STAT)',
  LSTAT: 'look at files (LSTAT, STAT)',
  FSTAT: 'look at files (LSTAT, STAT)',
};

export interface Refusal {
  readonly state: string;
  readonly hint: string;
}

/** Pure. What is refused, by name, with the cure; undefined where the server's status or words say neither "permission denied" nor "unsupported". */
export const describeRefusal = (error: SftpStatusError): Refusal | undefined => {
  const { status, request } = error;
  const message = wordsOf(error);
  const isDenied = status === Status.PERMISSION_DENIED || (status === Status.FAILURE && DENIED.test(reasonIn(message)));
  if (!isDenied && status !== Status.OP_UNSUPPORTED) return undefined;
  const purpose = PURPOSES[request ?? ''] ?? 'write';
  return {
    state: request === undefined ? message : `the server refuses ${request} (${message})`,
    hint: isDenied
      ? `give the account the right to ${purpose} there, or correct destination.path`
      : `use another server, or one that is set to let the account ${purpose}: isocket cannot do without`,
  };
};

const UNSEEN = 'an error of the disk, or something that is no folder on the way';

/** By what the request does: content is refused for other reasons than a new name, which is ours where a file is opened to write. */
const REASONS: Readonly<Record<string, string>> = {
  'OPEN to write': 'a read-only file system, a full one, or too many open files',
  WRITE: 'a full disk, a quota, or an error of the disk',
  CLOSE: 'a full disk, a quota, or an error of the disk',
  fsync: 'a full disk, a quota, or an error of the disk',
  MKDIR: 'a read-only file system, a full one, or a name that it does not take',
  // These need no room.
  STAT: UNSEEN,
  LSTAT: UNSEEN,
  OPENDIR: UNSEEN,
  READDIR: UNSEEN,
  'OPEN to read': UNSEEN,
  READ: 'an error of the disk',
  REMOVE: 'a read-only file system, or a folder in which nothing may be removed',
};

const ANY_REASON = 'a full disk, a quota, a read-only file system, or a name that it does not take';

/** Pure. What failed, by name. */
export const describeFailure = (error: SftpStatusError): string =>
  error.request === undefined ? wordsOf(error) : `the server answers ${error.request} with "${wordsOf(error)}"`;

/** Pure. The cure where the server says "Failure", and no more or what is not known here. */
export const unknownReason = ({ message, request = '' }: SftpStatusError): string => {
  const reason = reasonIn(message);
  if (/not a directory|ENOTDIR/i.test(reason))
    return 'a part of the path is no folder: move it out of the way, or correct destination.path';
  if (TOO_LARGE.test(reason))
    return 'the file system there, or a limit of the server (ulimit -f), takes no file of this size: FAT takes less than 4 GiB';
  const toldOrNot = WORDLESS.test(reason) ? 'for the reason, which it does not tell' : 'for more than that';
  return `see the server’s log ${toldOrNot}: ${REASONS[request] ?? ANY_REASON}`;
};

// What Windows, exFAT and many network file systems take in no name; nothing in them ends with a dot or a space.
const ODD = /[<>:"|?*\\\p{Cc}\p{Cs}]|[. ]$/u;

/** Pure. A part of the path is a name that some file systems do not take. */
export const isOddName = (path: string): boolean => path.split('/').some((name) => ODD.test(name));

export const RENAME_IT = 'rename it: the destination’s file system does not take this name';

/** Pure. Of a channel that was closed: what its login shell has printed came in place of packets. */
export const isShellText = (state: string): boolean => state.startsWith('text came where');

export const CLEAN_SHELL =
  'see the login shell of the account there (getent passwd): its start-up files have to print nothing, and it has to run commands (nologin does not); or set "Subsystem sftp internal-sftp" in its sshd_config, which needs no shell';
