import { counted } from '../core/units.ts';
import type { ReceiverLimits } from '../core/receiver-limits.ts';

export const DEFAULT_LIMITS: ReceiverLimits = {
  logins: 128,
  loginsPerAddress: 32,
  connections: 512,
  connectionsPerAddress: 256,
  connectionsPerKey: 64,
  loginMs: 20_000,
  idleMs: 3_600_000,
  keepAliveMs: 15_000,
  endMs: 30_000,
};

/** One connection, as far as it is counted. */
interface Guest {
  readonly address: string;
  /** Of the key, once it has logged in. */
  fingerprint?: string;
}

/** Decides who stays. Members are in the order of their arrival. */
export class Admission<Connection> {
  limits: ReceiverLimits;
  readonly #waiting = new Map<Connection, Guest>();
  readonly #members = new Map<Connection, Guest>();

  constructor(limits: ReceiverLimits) {
    this.limits = limits;
  }

  /** Those that have not logged in. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Those that have. */
  get members(): number {
    return this.#members.size;
  }

  /**
   * Takes in a new connection.
   * @returns the one that has to go for it, and why. That a new one always gets in, and the oldest goes, keeps nobody out who logs in faster
   * than `loginsPerAddress` connections are made from there.
   */
  enter(
    connection: Connection,
    address: string,
  ): { readonly leaving: Connection; readonly reason: string } | undefined {
    const ofAddress = countBy(this.#waiting.values(), ({ address: from }) => from);
    const { logins, loginsPerAddress } = this.limits;
    const isCrowd = (ofAddress.get(address) ?? 0) >= loginsPerAddress;
    const crowd = isCrowd ? address : this.#waiting.size >= logins ? most(ofAddress) : undefined;
    const leaving = [...this.#waiting].find(([, guest]) => guest.address === crowd)?.[0];
    if (leaving !== undefined) this.#waiting.delete(leaving);
    this.#waiting.set(connection, { address });
    if (leaving === undefined) return undefined;
    const limit = isCrowd
      ? `${counted(loginsPerAddress, 'connection')} of its address that ${loginsPerAddress === 1 ? 'has' : 'have'} not logged in may be open (limits.loginsPerAddress)`
      : `${counted(logins, 'connection')} that ${logins === 1 ? 'has' : 'have'} not logged in may be open (limits.logins)`;
    return { leaving, reason: `${limit}, and it was the oldest of its address` };
  }

  /** @returns why it may not stay */
  logIn(connection: Connection, fingerprint: string): string | undefined {
    const guest = this.#waiting.get(connection);
    if (guest === undefined) return 'it took too long';
    const members = [...this.#members.values()];
    const { connections, connectionsPerAddress, connectionsPerKey } = this.limits;
    const full = (what: string, limit: number, key: string): string =>
      `${counted(limit, 'connection')} ${what} ${limit === 1 ? 'is' : 'are'} open (limits.${key})`;
    if (members.length >= connections) return full('in all', connections, 'connections');
    if (members.filter(({ address }) => address === guest.address).length >= connectionsPerAddress)
      return full('of its address', connectionsPerAddress, 'connectionsPerAddress');
    if (members.filter((member) => member.fingerprint === fingerprint).length >= connectionsPerKey)
      return full('with its key', connectionsPerKey, 'connectionsPerKey');
    this.#waiting.delete(connection);
    this.#members.set(connection, { ...guest, fingerprint });
    return undefined;
  }

  leave(connection: Connection): void {
    this.#waiting.delete(connection);
    this.#members.delete(connection);
  }
}

const countBy = <T>(items: Iterable<T>, of: (item: T) => string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1);
  return counts;
};

const most = (counts: ReadonlyMap<string, number>): string | undefined =>
  [...counts].reduce<readonly [string, number] | undefined>(
    (best, one) => (best !== undefined && best[1] >= one[1] ? best : one),
    undefined,
  )?.[0];
