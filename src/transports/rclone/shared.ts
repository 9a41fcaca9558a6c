import type { Name, TransportContext } from '../../transport.ts';
import type { RcloneOptions } from './options.ts';
import type { SentFiles } from './sent-files.ts';

/** What one run of isocket remembers, whatever becomes of a connection. */
export interface Shared {
  readonly options: RcloneOptions;
  readonly context: TransportContext;
  readonly label: string;
  /** Asked where the store has neither times nor sums to compare, and where to ask for a time costs a request. */
  readonly sent: SentFiles;
  /** How many bytes went of each file that is being sent. */
  readonly underWay: Map<Name, number>;
}
