import type { Client, ClientChannel } from 'ssh2';
import type { ReceiveWindow } from '../../sftp/receive-window.ts';

/** Where ssh2 1.17 says how far the server may run ahead. */
interface Protocol {
  session?: (id: number, window: number, packetSize: number) => void;
  channelWindowAdjust?: (id: number, bytes: number) => void;
}

/** What ssh2 1.17 knows of a channel, in each direction. */
interface ChannelEnds {
  readonly incoming: { window: number };
  readonly outgoing: { readonly id: number; readonly state: string };
}

/**
 * Runs `open`, which asks for a session channel, and has it begin with a window of `bytes`: smaller than ssh2 thinks it is, so that ssh2
 * grants nothing by itself. Returns what gives the window of that channel when it is open; undefined where ssh2 is built otherwise,
 * and the channel is as ssh2 makes it.
 */
export const withSmallWindow = (
  client: Client,
  bytes: number,
  open: () => void,
): ((channel: ClientChannel) => ReceiveWindow) | undefined => {
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
    delete protocol.session; // What its class has is in force again.
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
    // What the server says on stderr takes of the same window, and is never asked for.
    channel.stderr.on('data', (said: Buffer) => grant(said.length));
    return {
      get left() {
        return incoming.window - withheld;
      },
      grant,
      release: () => adjust(withheld),
    };
  };
};
