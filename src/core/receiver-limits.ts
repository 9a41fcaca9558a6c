/** How much of the receiver strangers, one address and one key may take. */
export interface ReceiverLimits {
  /** Connections that have not logged in yet: in all, and of one address. Beyond it the oldest of the address with the most ends. */
  readonly logins: number;
  readonly loginsPerAddress: number;
  /** Connections that have logged in: in all, of one address, of one key. Beyond it a new one is refused. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly connectionsPerKey: number;
  /** How long a login may take. */
  readonly loginMs: number;
  /** How long a client may ask for nothing. */
  readonly idleMs: number;
  /** A client that answers none of three requests sent so far apart is gone. */
  readonly keepAliveMs: number;
  /** How long open files may take once the receiver is to end. */
  readonly endMs: number;
}
