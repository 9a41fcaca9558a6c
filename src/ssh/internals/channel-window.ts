import type { Client, ClientChannel } from 'ssh2';
import type { ChannelWindow } from '../../sftp/receive-window.ts';

/** The methods by which ssh2 1.17 tells the server how much it may send. */
interface Protocol {
  session?: (id: number, window: number, packetSize: number) => void;
  channelWindowAdjust?: (id: number, bytes: number) => void;
}

/** What ssh2 1.17 keeps of a channel, for each direction. */
interface ChannelEnds {
  readonly incoming: { window: number };
  readonly outgoing: { readonly id: number; readonly state: string };
}

/**
 * Runs `open`, which requests a session channel, so that the channel begins with a window of `bytes`: smaller than ssh2 assumes, so
 * that ssh2 grants nothing by itself. Returns a function that gives the window of the open channel; undefined if ssh2 lacks these
 * fields, and the channel has the window that ssh2 gives it.
 */
export const withSmallWindow = (
  client: Client,
  bytes: number,
  open: () => void,
): ((channel: ClientChannel) => ChannelWindow) | undefined => {
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
    const { incoming, outgoing } = channel as unknown as ChannelEnds;
    const adjust = (more: number): void => {
      if (outgoing.state !== 'closed') channelWindowAdjust.call(protocol, outgoing.id, more);
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
