import type { Client, ClientChannel } from 'ssh2';
import type { ChannelWindow } from '../../sftp/receive-window.ts';

/** The methods by which ssh2 1.17 tells the server how much it may send. */
interface Protocol {
  session?: (id: number, window: number, packetSize: number) => void;
  channelWindowAdjust?: (id: number, bytes: number) => void;
}

/** What ssh2 1.17 keeps of a channel, for each direction. */
interface ChannelEnds {
  readonly incoming?: { window?: number };
  readonly outgoing?: { readonly id?: number; readonly state?: string };
}

/** Both ends of a channel, if this version of ssh2 has them. */
const endsOf = (channel: ClientChannel) => {
  const { incoming, outgoing } = channel as ChannelEnds;
  if (incoming?.window === undefined || outgoing?.id === undefined) return undefined;
  return { incoming: incoming as { window: number }, outgoing, recipient: outgoing.id };
};

/**
 * Runs `open`, which requests a session channel, so that the channel begins with a window of `bytes`: smaller than ssh2 assumes, so
 * that ssh2 grants nothing by itself.
 * @returns undefined if ssh2 lacks the methods, and the channel has the window that ssh2 gives it. Else a function that takes the
 * open channel and returns its window; undefined if ssh2 lacks its fields, and the small window cannot grow.
 */
export const withSmallWindow = (
  client: Client,
  bytes: number,
  open: () => void,
): ((channel: ClientChannel) => ChannelWindow | undefined) | undefined => {
  const protocol = (client as { readonly _protocol?: Protocol })._protocol;
  const { session, channelWindowAdjust } = protocol ?? {};
  let withheld = 0;
  if (protocol === undefined || session === undefined || channelWindowAdjust === undefined) {
    open();
    return undefined;
  }
  protocol.session = (id, window, packetSize) => {
    withheld = window - bytes;
    session.call(protocol, id, bytes, packetSize);
  };
  try {
    open();
  } finally {
    delete protocol.session; // The method of its class is in effect again.
  }
  if (withheld <= 0) return undefined;
  return (channel) => {
    const ends = endsOf(channel);
    if (ends === undefined) return undefined;
    const { incoming, outgoing, recipient } = ends;
    const adjust = (more: number): void => {
      if (outgoing.state !== 'closed') channelWindowAdjust.call(protocol, recipient, more);
    };
    const grant = (more: number): void => {
      incoming.window += more;
      adjust(more);
    };
    // Output on stderr uses the same window, and is not counted as a reply.
    channel.stderr.on('data', (chunk: Buffer) => grant(chunk.length));
    return {
      get remaining() {
        return incoming.window - withheld;
      },
      grant,
      setUnlimited: () => adjust(withheld),
    };
  };
};
