import type { Transport, TransportContext } from '../transport.ts';

/** How a login goes wrong, and the class its error must have. */
export type LoginFault = 'refused port' | 'wrong key' | 'unknown host key' | 'changed host key';

/** A destination that the suite may fill and break. */
export interface SuiteTarget {
  /** Where files land, as this machine sees it. The suite empties it. */
  readonly folder: string;
  connect(context: TransportContext): Transport;
  /** Cuts a connection after so many bytes from the transport; Infinity: never. */
  readonly cutAfter?: (bytes: number) => void;
  connectWrongly?(fault: LoginFault, context: TransportContext): Transport;
  /** Leaves the destination's folder, which is empty, room for about a megabyte. */
  makeSmall?(folder: string): Promise<AsyncDisposable>;
  /** Lets nothing be made in a folder of the destination. */
  makeReadOnly?(folder: string): Promise<AsyncDisposable>;
}
