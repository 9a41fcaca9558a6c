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
  /** Makes room where it is used up. `missing`: bytes that a reply which has begun still lacks. */
  grant(missing: number): void;
  /** Room without end. */
  release(): void;
}

/**
 * Some 140 replies of the kind that says "done". The server sends them one by one as they come, a packet each, until the room is
 * used up; those that gather while it waits for more room come in one packet. So they come in 3,000 packets where there were 15,000,
 * which is less work for both ends, and they never wait long: what they wait for is our next turn.
 */
const SHORT_REPLIES_BYTES = 4000;

/** @param window undefined: the server runs ahead, and there is nothing to grant */
export const createReplyRoom = (window: ReceiveWindow | undefined): ReplyRoom => {
  let expected = 0;
  let isReleased = window === undefined;
  return {
    get isUsedUp() {
      return !isReleased && (window?.left ?? 0) <= 0;
    },
    expect: (bytes) => {
      if (!isReleased) expected += bytes;
    },
    grant: (missing) => {
      if (isReleased || window === undefined) return;
      const more = expected + (window.left + expected <= 0 ? SHORT_REPLIES_BYTES + missing : 0);
      expected = 0;
      if (more > 0) window.grant(more);
    },
    release: () => {
      if (!isReleased) window?.release();
      isReleased = true;
    },
  };
};

/** The room with which a channel begins. */
export const FIRST_ROOM_BYTES = SHORT_REPLIES_BYTES;
