import { TransportError, type TransportErrorClass } from '../../transport.ts';
import { RcError, RcLostError } from './rc-client.ts';

export const SEE_REMOTE =
  'see destination.remote and destination.config, and that "rclone lsd" of this remote works as this user';

/** What rclone's words mean, from the top: backends have errors of their own, and no codes. */
const WORDS: readonly (readonly [words: RegExp, errorClass: TransportErrorClass, hint: string])[] = [
  [/source file is being updated/i, 'source-changed', 'it goes again as soon as it is at rest'],
  [
    /no space left|remaining disk space|disk (?:is )?full|quota|insufficient storage|storage ?(?:limit|full)|\b507\b|not enough (?:free )?space/i,
    'destination-full',
    'make room at the destination',
  ],
  [
    /didn't find section|couldn't find (?:section|type)|config file|failed to (?:make|create) fs|invalid characters|unsupported protocol|NoSuchBucket|InvalidBucketName/i,
    'auth',
    SEE_REMOTE,
  ],
  [
    /access ?denied|forbidden|unauthori[sz]ed|\b40[13]\b|InvalidAccessKeyId|SignatureDoesNotMatch|invalid_grant|(?:expired|invalid) (?:access )?token|unable to authenticate|login (?:failed|incorrect)|knownhosts|host key/i,
    'auth',
    'see the keys or the login of this remote in rclone.conf, and what the account may do there',
  ],
  [
    /connection (?:refused|reset)|no such host|timeout|timed out|deadline exceeded|unexpected EOF|broken pipe|TLS handshake|network is unreachable|no route to host|send request failed|SlowDown|too many requests|\b(?:429|50[0234])\b|context canceled|couldn't connect|server misbehaving/i,
    'network',
    'see the network and the server',
  ],
  [
    /read-only file system/i,
    'file',
    'mount it for writing at the destination, or correct destination.remote; an error of the disk may have made it so',
  ],
  [
    /permission denied|operation not permitted/i,
    'file',
    'see owner and mode of what it names, and as which account the remote is used',
  ],
];

/** Pure. The class of what rclone says, and the cure. */
export const classify = (message: string): { readonly errorClass: TransportErrorClass; readonly hint: string } => {
  const [, errorClass = 'file', hint = 'see what rclone says of it, and what the destination lets the account do'] =
    WORDS.find(([words]) => words.test(message)) ?? [];
  return { errorClass, hint };
};

/** Pure. There is no such file or folder. */
export const isMissing = (error: unknown): boolean =>
  error instanceof RcError &&
  /object not found|directory not found|no such file|not a (?:regular )?file|is a directory/i.test(error.message);

/** What a call ended with, as an error of this transport. Anything that rclone did not say stays what it is. */
export const explain = (action: string, error: unknown): unknown => {
  if (error instanceof RcLostError)
    return new TransportError('network', `Cannot ${action}: rclone has ended (${error.message})`, {
      hint: 'it is started again with the next file; see the log of the system for what ended it',
      cause: error,
      wasReached: true,
    });
  if (!(error instanceof RcError)) return error;
  const { errorClass, hint } = classify(error.message);
  return new TransportError(errorClass, `Cannot ${action}: ${error.message}`, { hint, cause: error });
};
