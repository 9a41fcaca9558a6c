/** An SSH channel's window in our direction: what the server may still send (RFC 4254, section 5.2). */
export interface ReceiveWindow {
  /** Bytes. */
  readonly left: number;
  /** Lets the server send so many bytes more. */
  grant(bytes: number): void;
  /** From now on the server may run ahead as far as it could if nobody granted anything; `left` says nothing any more. */
  release(): void;
}

/** How much room the server has for its replies. */
export interface ReplyRoom {
  /** The server cannot send any more: grant before anything is waited for. */
  readonly isUsedUp: boolean;
  /** A reply of up to so many bytes is asked for: it shall not wait for room in the middle. */
  expect(bytes: number): void;
  /** A whole reply came, of so many bytes. */
  came(bytes: number): void;
  /** Makes room where it is used up. */
  grant(): void;
  /** Room without end. */
  release(): void;
}

/**
 * The room with which a channel begins: some 140 replies of the kind that says "done". The server sends them one by one as they come,
 * a packet each, until the room is used up; those that gather while it waits for more room come in one packet. So ten thousand small
 * files take 2,500 packets of replies where they took 15,000, which is less work for both ends. They never wait long: what they wait
 * for is our next turn.
 */
export const SHORT_REPLIES_BYTES = 4000;

/** A long listing is many replies of this size or more, one after the other: the longer it lasts, the more of them get room at once. */
const LONG_REPLY_BYTES = 1000;
const TURNS_A_REPLY_MORE = 8;
const MOST_REPLIES_MORE = 15;

/** @param granted undefined: the server runs ahead, and there is nothing to grant */
export const createReplyRoom = (granted: ReceiveWindow | undefined): ReplyRoom => {
  let window = granted;
  let expected = 0;
  /** The longest reply of the last turn in which one came whole; a turn ends when room is used up. */
  let longest = 0;
  let hasOne = false;
  /** So many turns in a row brought long replies, or but a piece of one. */
  let longTurns = 0;
  const endTurn = (): number => {
    longTurns = !hasOne || longest >= LONG_REPLY_BYTES ? longTurns + 1 : 0;
    hasOne = false;
    const more = Math.min(MOST_REPLIES_MORE, Math.floor(longTurns / TURNS_A_REPLY_MORE));
    return SHORT_REPLIES_BYTES + longest * more;
  };
  return {
    get isUsedUp() {
      return window !== undefined && window.left <= 0;
    },
    expect: (bytes) => {
      expected += bytes;
    },
    came: (bytes) => {
      longest = hasOne ? Math.max(longest, bytes) : bytes;
      hasOne = true;
    },
    grant: () => {
      if (window === undefined) return;
      const more = expected + (window.left + expected <= 0 ? endTurn() : 0);
      expected = 0;
      if (more > 0) window.grant(more);
    },
    release: () => {
      window?.release();
      window = undefined;
    },
  };
};
