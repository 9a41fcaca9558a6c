import { plainMessage, systemErrorCode } from '../errors.ts';

/** Cures for a connection that does not come about, by ssh2 or by the ssh program. */
export const NetworkHint = {
  NAME: 'correct destination.host, or fix the name service',
  NO_SERVER: 'see that the server runs and that destination.host and destination.port are right',
  NO_ANSWER: 'see that the host is up, that destination.host is right, and that no firewall drops what goes there',
  NOT_SSH:
    'see that an SSH server (version 2) listens at destination.port; one that is busy (MaxStartups), or has banned this host after failed logins, hangs up too: its log tells',
  SILENT:
    'see that an SSH server listens at destination.port, and is not stuck: it accepts connections and says nothing',
} as const;

interface Told {
  readonly state: string;
  readonly hint: string;
}

const NO_WAY: Told = { state: 'there is no way to that host from here', hint: NetworkHint.NO_ANSWER };
const LATE: Told = { state: 'it does not answer', hint: NetworkHint.NO_ANSWER };
const ENDED: Told = { state: 'the server hung up', hint: NetworkHint.NOT_SSH };

const BY_CODE: Readonly<Record<string, Told>> = {
  ENOTFOUND: { state: 'there is no host of that name', hint: NetworkHint.NAME },
  EAI_NODATA: { state: 'that name has no address', hint: NetworkHint.NAME },
  EAI_AGAIN: { state: 'the name service does not answer', hint: NetworkHint.NAME },
  ECONNREFUSED: { state: 'nothing listens there', hint: NetworkHint.NO_SERVER },
  EHOSTUNREACH: NO_WAY,
  EHOSTDOWN: NO_WAY,
  ENETUNREACH: NO_WAY,
  ENETDOWN: NO_WAY,
  ETIMEDOUT: LATE,
  ECONNRESET: ENDED,
  EPIPE: ENDED,
  EACCES: { state: 'this host does not let isocket connect', hint: 'see what a firewall or sandbox here forbids' },
  EPERM: { state: 'this host does not let isocket connect', hint: 'see what a firewall or sandbox here forbids' },
};

/** What the system says of a connection that does not come about, or ends, in words. Pure. */
export const describeNetwork = (error: unknown): Told =>
  BY_CODE[systemErrorCode(error) ?? ''] ?? { state: plainMessage(error), hint: NetworkHint.NO_ANSWER };
