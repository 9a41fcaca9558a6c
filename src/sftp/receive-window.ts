/** The window of an SSH channel in our direction: what the server may still send (RFC 4254, section 5.2). */
export interface ChannelWindow {
  /** Bytes. */
  readonly remaining: number;
  /** Lets the server send this many bytes more. */
  grant(bytes: number): void;
  /** Restores the window that ssh2 gives every channel and leaves it to ssh2; `remaining` has no meaning afterwards. */
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

/** Decides how many bytes of replies the server may send, and when it may send more. */
export class ReceiveWindow {
  #channelWindow: ChannelWindow | undefined;
  #expectedBytes = 0;
  /** Bytes of the longest reply in the last turn that completed one; a turn ends when the window is exhausted. */
  #longestReply = 0;
  #hasReply = false;
  /** Consecutive turns that brought long replies, or only a part of one. */
  #longTurns = 0;

  /** @param channelWindow undefined: ssh2 manages the window, and nothing is granted from here */
  constructor(channelWindow: ChannelWindow | undefined) {
    this.#channelWindow = channelWindow;
  }

  /** The server cannot send any more: call `grant` before waiting for a reply. */
  get isExhausted(): boolean {
    return this.#channelWindow !== undefined && this.#channelWindow.remaining <= 0;
  }

  /** A reply of up to this many bytes is requested: the next grant includes it, so that it does not stall halfway. */
  expect(bytes: number): void {
    this.#expectedBytes += bytes;
  }

  /** A whole reply of this many bytes was received. */
  received(bytes: number): void {
    this.#longestReply = this.#hasReply ? Math.max(this.#longestReply, bytes) : bytes;
    this.#hasReply = true;
  }

  /** Grows the window by what is expected, and by the bytes of another turn if it is exhausted. */
  grant(): void {
    if (this.#channelWindow === undefined) return;
    const isExhausted = this.#channelWindow.remaining + this.#expectedBytes <= 0;
    const bytes = this.#expectedBytes + (isExhausted ? this.#endTurn() : 0);
    this.#expectedBytes = 0;
    if (bytes > 0) this.#channelWindow.grant(bytes);
  }

  /** The server never waits for a grant any more. Harmless when repeated. */
  setUnlimited(): void {
    this.#channelWindow?.setUnlimited();
    this.#channelWindow = undefined;
  }

  /** Returns the bytes of the next turn. */
  #endTurn(): number {
    const isLong = !this.#hasReply || this.#longestReply >= LONG_REPLY_BYTES;
    this.#longTurns = isLong ? this.#longTurns + 1 : 0;
    this.#hasReply = false;
    const extraReplies = Math.min(MAX_EXTRA_REPLIES, Math.floor(this.#longTurns / TURNS_PER_EXTRA_REPLY));
    return INITIAL_WINDOW_BYTES + this.#longestReply * extraReplies;
  }
}
