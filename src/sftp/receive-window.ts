/** The window of an SSH channel in our direction: what the server may still send (RFC 4254, section 5.2). */
export interface ChannelWindow {
  /** Bytes. */
  readonly remaining: number;
  /** Lets the server send this many bytes more. */
  grant(bytes: number): void;
  /** Restores the window that ssh2 gives every channel and leaves it to ssh2; `remaining` has no meaning afterwards. */
  setUnlimited(): void;
}

/** Decides how many bytes of replies the server may send, and when it may send more. */
export interface ReceiveWindow {
  /** The server cannot send any more: call `grant` before waiting for a reply. */
  readonly isExhausted: boolean;
  /** A reply of up to this many bytes is requested: the next grant includes it, so that it does not stall halfway. */
  expect(bytes: number): void;
  /** A whole reply of this many bytes was received. */
  received(bytes: number): void;
  /** Grows the window by what is expected, and by one turn's worth where it is exhausted. */
  grant(): void;
  /** Nothing is granted from here any more; the server never waits. Harmless when repeated. */
  setUnlimited(): void;
}

/**
 * The window with which a channel begins: about 140 status replies. The server sends one packet for each reply until the window is
 * exhausted; replies that queue while it waits for a grant are sent in one packet. Ten thousand small files take 2,500 packets of
 * replies instead of 15,000, which saves CPU at both ends. The wait is short: the grant is sent in our next turn of the event loop.
 */
export const INITIAL_WINDOW_BYTES = 4000;

/** Replies of this size or more, turn after turn, are a long listing: the longer it lasts, the more replies each grant covers. */
const LONG_REPLY_BYTES = 1000;
const TURNS_PER_EXTRA_REPLY = 8;
const MAX_EXTRA_REPLIES = 15;

/** @param channelWindow undefined: ssh2 manages the window, and nothing is granted from here */
export const createReceiveWindow = (channelWindow: ChannelWindow | undefined): ReceiveWindow => {
  let window = channelWindow;
  let expected = 0;
  /** Bytes of the longest reply in the last turn that completed one; a turn ends when the window is exhausted. */
  let longest = 0;
  let hasOne = false;
  /** Consecutive turns that brought long replies, or only a part of one. */
  let longTurns = 0;
  const endTurn = (): number => {
    longTurns = !hasOne || longest >= LONG_REPLY_BYTES ? longTurns + 1 : 0;
    hasOne = false;
    const more = Math.min(MAX_EXTRA_REPLIES, Math.floor(longTurns / TURNS_PER_EXTRA_REPLY));
    return INITIAL_WINDOW_BYTES + longest * more;
  };
  return {
    get isExhausted() {
      return window !== undefined && window.remaining <= 0;
    },
    expect: (bytes) => {
      expected += bytes;
    },
    received: (bytes) => {
      longest = hasOne ? Math.max(longest, bytes) : bytes;
      hasOne = true;
    },
    grant: () => {
      if (window === undefined) return;
      const more = expected + (window.remaining + expected <= 0 ? endTurn() : 0);
      expected = 0;
      if (more > 0) window.grant(more);
    },
    setUnlimited: () => {
      window?.setUnlimited();
      window = undefined;
    },
  };
};
