import type { Transport, TransportContext } from '../transport.ts';

/** How a login goes wrong. */
export type LoginFault = 'refused port' | 'wrong key' | 'unknown host key' | 'changed host key';

/** A destination that the suite may empty, fill and break. */
export interface SuiteTarget {
  /** Where files land, as this machine sees it. The suite empties it. */
  readonly folder: string;
  connect(context: TransportContext): Transport;
  /** Cuts the connection after that many bytes from the transport; Infinity: never. */
  readonly cutAfter?: (bytes: number) => void;
  /** Connects with one thing wrong: its sends fail with `network` for the refused port, with `auth` otherwise. */
  connectWrongly?(fault: LoginFault, context: TransportContext): Transport;
  /** Limits the destination's folder, which is empty, to about a megabyte, until disposed. */
  makeSmall?(folder: string): Promise<AsyncDisposable>;
  /** Prevents anything from being made in a folder of the destination, until disposed. */
  makeReadOnly?(folder: string): Promise<AsyncDisposable>;
}
