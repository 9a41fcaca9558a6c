import type { Name, TransportContext } from '../../transport.ts';
import type { RcloneOptions } from './options.ts';

/** What one run of isocket remembers, whatever becomes of a connection. */
export interface Shared {
  readonly options: RcloneOptions;
  readonly context: TransportContext;
  readonly label: string;
  /**
   * Sizes and times of files that were sent, by their path: where the store has neither times nor sums to compare, and where to ask for a time
   * costs a request, until the file was verified.
   */
  readonly sent: Map<Name, string>;
  /** How many bytes went of each file that is being sent. */
  readonly underWay: Map<Name, number>;
}
