/** What is known of a channel's requests. */
export interface ChannelProgress {
  /** Number of replies so far. */
  readonly answered: number;
  /** Identifies the request that has waited longest; undefined: none waits. */
  readonly oldest: number | undefined;
  /** That is a request that may take minutes. */
  readonly isSlow: boolean;
}

export interface SilenceLimits {
  /** Something was asked, and no channel has answered anything for so long. */
  readonly allMs: number;
  /** One request was not answered for so long, while others were. */
  readonly oneMs: number;
  /** The same for a request that may take minutes. */
  readonly slowMs: number;
}

/**
 * Requests are pending and none was answered for this long: the connection is lost, even if TCP has not noticed. One of many may wait
 * longer: behind what is in flight on a slow line, or for an fsync.
 */
export const SILENCE: SilenceLimits = { allMs: 29_000, oneMs: 300_000, slowMs: 1_800_000 };
/** isocket is to end: what is in flight may end too, but is not waited for in vain. */
export const SILENCE_AT_END: SilenceLimits = { allMs: 2_000, oneMs: 10_000, slowMs: 10_000 };

/**
 * Decides when a server is given up. Only replies count: an sshd that lives sends keep-alives while the sftp-server behind it hangs.
 */
export class Silence {
  #answered = -1;
  #lastReplyMs = 0;
  /** The oldest request of each channel, and since when it is that. */
  readonly #oldest = new Map<ChannelProgress, { readonly id: number; readonly sinceMs: number }>();

  /** Returns how long the server has not answered, in milliseconds, where that is too long. */
  tooLong(channels: readonly ChannelProgress[], limits: SilenceLimits, nowMs: number): number | undefined {
    const answered = channels.reduce((sum, channel) => sum + channel.answered, 0);
    const isBusy = channels.some(({ oldest }) => oldest !== undefined);
    if (answered !== this.#answered || !isBusy) this.#lastReplyMs = nowMs;
    this.#answered = answered;
    const silentMs = nowMs - this.#lastReplyMs;
    if (silentMs >= limits.allMs) return silentMs;
    for (const channel of channels) {
      const waitMs = this.#waitMs(channel, nowMs);
      if (waitMs >= (channel.isSlow ? limits.slowMs : limits.oneMs)) return waitMs;
    }
    return undefined;
  }

  /** Since the last reply. */
  silentMs(nowMs: number): number {
    return nowMs - this.#lastReplyMs;
  }

  #waitMs(channel: ChannelProgress, nowMs: number): number {
    const { oldest } = channel;
    if (oldest === undefined) {
      this.#oldest.delete(channel);
      return 0;
    }
    const known = this.#oldest.get(channel);
    if (known?.id === oldest) return nowMs - known.sinceMs;
    this.#oldest.set(channel, { id: oldest, sinceMs: nowMs });
    return 0;
  }
}
