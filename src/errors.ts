import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

// A plug-in may bring its own copy of isocket: a registered symbol is the same in every copy, a class is not.
const USER_ERROR = Symbol.for('isocket.UserError');
const TRANSPORT_ERROR = Symbol.for('isocket.TransportError');

const hasBrand = (value: unknown, brand: symbol): boolean =>
  value instanceof Error && Reflect.get(value, brand) === true;

/** What a user can fix: wrong usage or configuration, a root that is not there. Shown without a stack. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  /** What to do about it, in one sentence. */
  readonly hint: string | undefined;
  /** contract.md §5: 2 usage or configuration, 3 something left unsent, 4 another isocket works on this root. */
  readonly exitCode: 2 | 3 | 4;

  /** True for a `UserError` of any copy of isocket; a subclass recognises only its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === UserError ? hasBrand(value, USER_ERROR) : super[Symbol.hasInstance](value);
  }

  get [USER_ERROR](): true {
    return true;
  }

  constructor(message: string, options: { hint?: string; exitCode?: 2 | 3 | 4; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 2;
  }
}

/**
 * Why a send failed, which decides what happens next: `network` the connection failed, `destination-full` there is no space: both are tried
 * again later · `auth` a person must act · `file` this file only (one that alone does not fit, too) · `source-changed` the file changed while it was read: list it again.
 */
export type TransportErrorClass = 'network' | 'destination-full' | 'auth' | 'file' | 'source-changed';

/** The only error that a transport rejects with. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly class: TransportErrorClass;
  /** What to do about it, in one sentence. */
  readonly hint: string | undefined;
  /** Of class `network`: the destination had let us in before. */
  readonly wasReached: boolean;

  /** True for a `TransportError` of any copy of isocket. */
  static override [Symbol.hasInstance](value: unknown): value is TransportError {
    return hasBrand(value, TRANSPORT_ERROR);
  }

  get [TRANSPORT_ERROR](): true {
    return true;
  }

  constructor(
    errorClass: TransportErrorClass,
    message: string,
    options: { hint?: string; cause?: unknown; wasReached?: boolean } = {},
  ) {
    super(message, { cause: options.cause });
    this.class = errorClass;
    this.hint = options.hint;
    this.wasReached = options.wasReached ?? false;
  }
}

/** Had the destination no room: for anything, or for this file alone (then the cause of the failure says so)? */
export const lacksRoom = ({ class: kind, cause }: TransportError): boolean =>
  kind === 'destination-full' ||
  (kind === 'file' && cause instanceof TransportError && cause.class === 'destination-full');

/** Errors of Linux that Node has no names for: it says "Unknown system error -122". */
const UNNAMED: ReadonlyMap<number, readonly [code: string, words: string]> = new Map([
  [-116, ['ESTALE', 'stale file handle']],
  [-117, ['EUCLEAN', 'structure needs cleaning']],
  [-122, ['EDQUOT', 'disk quota exceeded']],
  [-123, ['ENOMEDIUM', 'no medium found']],
  [-126, ['ENOKEY', 'required key not available']],
]);

const errnoOf = (error: unknown): number | undefined =>
  error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;

/** The code of a system error (`ENOENT`, `EACCES` …), or undefined for anything else. */
export const systemErrorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? (UNNAMED.get(errnoOf(error) ?? 0)?.[0] ?? error.code)
    : undefined;

/** A system error of this number, as a program has written it (28: no space left). */
export const systemErrorOf = (number: number, message: string): Error =>
  Object.assign(new Error(message), { errno: -number, code: getSystemErrorName(-number) });

/** This process, or the host, may open no more files: no fault of the file that was to be opened. */
export const isOutOfDescriptors = (error: unknown): boolean => {
  const code = systemErrorCode(error);
  return code === 'EMFILE' || code === 'ENFILE';
};

/** What becomes of a request that met it: it is tried again. */
export const outOfDescriptors = (action: string, cause: unknown): TransportError =>
  new TransportError('network', `Cannot ${action}: ${plainMessage(cause)}`, {
    hint: 'let isocket open more files: ulimit -n, or LimitNOFILE= of its systemd unit',
    cause,
  });
/** What a host that is sick or full answers; anything else that the system refuses is asked for wrongly, by us. */
const HOST_FAILURES = new Set(
  'EACCES EAGAIN ECONNRESET EDQUOT EINTR EIO EMFILE ENETUNREACH ENFILE ENOBUFS ENODEV ENOMEM ENOSPC ENOTCONN ENXIO EPERM EPIPE EROFS ESTALE ETIMEDOUT EUCLEAN'.split(
    ' ',
  ),
);

/** Is it the host's failure, and no defect of ours? Of several errors: are they all? */
export const isHostFailure = (error: unknown): boolean =>
  error instanceof AggregateError
    ? error.errors.length > 0 && error.errors.every(isHostFailure)
    : HOST_FAILURES.has(systemErrorCode(error) ?? '');

/** The message of an error for a person: for a system error "permission denied", without the system call and the path. */
export const plainMessage = (error: unknown): string => {
  const errno = errnoOf(error);
  return errno === undefined ? errorMessage(error) : (UNNAMED.get(errno)?.[1] ?? getSystemErrorMessage(errno));
};

/** The message of whatever was thrown. */
export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error));
