import type { ClientEvent } from '../core/events.ts';
import type { ReceiverLimits } from '../core/receiver-limits.ts';
import type { KeysSource } from './keys-file.ts';

export interface ReceiverOptions {
  /** The folder to serve. */
  readonly root: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The text of an `authorized_keys` file, or its path: then it is read again when it changes. */
  readonly authorizedKeys: KeysSource;
  /** Private keys in OpenSSH's format, one of a kind. */
  readonly hostKey: string | Buffer | readonly (string | Buffer)[];
  /** Clients can add files, and cannot change complete ones. Default: false. */
  readonly appendOnly?: boolean;
  /** Of `appendOnly`: a complete file may be replaced, and stays beside as `name.~N~`. Default: false. */
  readonly keepVersions?: boolean;
  /** A new file has a temporary name until its CLOSE. Default: false. */
  readonly atomicPuts?: boolean;
  readonly limits?: Partial<ReceiverLimits>;
  /** `result`: it is shown whatever is left out of a log. */
  readonly log: (level: 'info' | 'result' | 'warning', message: string) => void;
  /** Is told what clients do. */
  readonly tell?: (event: ClientEvent) => void;
}
