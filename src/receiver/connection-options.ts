import type { ParsedKey } from 'ssh2';
import type { ReceiverLimits } from '../core/receiver-limits.ts';
import type { Name } from '../name.ts';
import type { AuthorizedKey, AuthorizedKeys } from './authorized-keys.ts';
import type { ChangeRules } from './change-rules.ts';
import type { ClientLog } from './client-log.ts';
import type { ConfinedFolder } from './confined-folder.ts';

export interface ConnectionOptions {
  /** Address and port. */
  readonly peer: string;
  readonly hostKeys: readonly ParsedKey[];
  /** As they are now. */
  readonly keys: () => AuthorizedKeys;
  /** Called once for each session, which disposes of the folder. */
  readonly openFolder: (below: readonly Name[]) => ConfinedFolder;
  /** Called once for each session. */
  readonly rules: (folder: ConfinedFolder) => ChangeRules;
  readonly limits: Pick<ReceiverLimits, 'loginMs' | 'idleMs' | 'keepAliveMs'>;
  readonly clientLog: ClientLog;
  readonly log: (level: 'info' | 'warning', message: string) => void;
  /** @returns why it may not stay */
  readonly onLogin: (key: AuthorizedKey) => string | undefined;
}
