import { delayBefore, type RetryOptions } from '../../src/core/retry.ts';
import { Processor } from './processor.ts';
import { TimeHeap } from './time-heap.ts';

/** sshd's MaxStartups: from `start` logins under way so many of a hundred are refused, from `full` on all. */
export interface MaxStartups {
  readonly start: number;
  readonly percent: number;
  readonly full: number;
}

export interface Collector {
  readonly cores: number;
  /** Of the collector's processor. */
  readonly loginMs: number;
  readonly fileMs: number;
  readonly maxStartups: MaxStartups;
}

export interface Scale {
  readonly sites: number;
  readonly collector: Collector;
  /** Nobody is reached for so long. */
  readonly outageMs: number;
  /** Of each site, when the collector is there again. */
  readonly filesWaiting: number;
  readonly retry: RetryOptions;
  /** How long isocket waits for a handshake before it gives the connection up. */
  readonly handshakeMs: number;
  /** After the outage: who is not there then will never be, where logins are given up as fast as they begin. */
  readonly limitMs: number;
  /** From 0 to 1; the constant 1 is a back-off without jitter. */
  readonly jitter: () => number;
  /** From 0 to 1: whom MaxStartups refuses. */
  readonly random: () => number;
}

export interface Outcome {
  /** In the worst second after the outage. */
  readonly attemptsInASecond: number;
  readonly loginsInASecond: number;
  readonly loggingInAtOnce: number;
  /** Attempts that MaxStartups refused. */
  readonly refused: number;
  /** Handshakes that took so long that the site gave up. */
  readonly givenUp: number;
  /** Milliseconds from the end of the outage until the last site is logged in, and has sent all; Infinity: not within the limit. */
  readonly loggedInMs: number;
  readonly caughtUpMs: number;
}

interface Site {
  failures: number;
  attempt: number;
}

type Event =
  | { readonly kind: 'try'; readonly site: Site }
  | { readonly kind: 'give up'; readonly site: Site; readonly attempt: number; readonly job: Job };

interface Job {
  readonly kind: 'login' | 'transfer';
  readonly site: Site;
}

/** All sites lose the collector at once, try again as their back-off has it, and send what has gathered when it is there again. */
export const simulate = (scale: Scale): Outcome => new Run(scale).run();

class Run {
  readonly #scale: Scale;
  readonly #events = new TimeHeap<Event>();
  readonly #processor: Processor<Job>;
  readonly #attempts = new WorstSecond();
  readonly #logins = new WorstSecond();
  #loggingIn = 0;
  #loggingInAtOnce = 0;
  #refused = 0;
  #givenUp = 0;
  #loggedIn = 0;
  #caughtUp = 0;
  #loggedInMs = Infinity;
  #caughtUpMs = Infinity;

  constructor(scale: Scale) {
    this.#scale = scale;
    this.#processor = new Processor(scale.collector.cores);
    for (let index = 0; index < scale.sites; index += 1) this.#failed(0, { failures: 0, attempt: 0 });
  }

  run(): Outcome {
    const { sites, outageMs, limitMs } = this.#scale;
    while (this.#caughtUp < sites) {
      const [eventMs, jobMs] = [this.#events.next, this.#processor.nextMs];
      if (Math.min(eventMs, jobMs) > outageMs + limitMs) break;
      if (jobMs <= eventMs) this.#ended(jobMs);
      else this.#happens(eventMs);
    }
    return {
      attemptsInASecond: this.#attempts.most,
      loginsInASecond: this.#logins.most,
      loggingInAtOnce: this.#loggingInAtOnce,
      refused: this.#refused,
      givenUp: this.#givenUp,
      loggedInMs: this.#loggedInMs - outageMs,
      caughtUpMs: this.#caughtUpMs - outageMs,
    };
  }

  #failed(nowMs: number, site: Site): void {
    const { retry, jitter } = this.#scale;
    site.failures += 1;
    this.#events.add(nowMs + delayBefore(site.failures, retry, jitter), { kind: 'try', site });
  }

  #happens(nowMs: number): void {
    const event = this.#events.take();
    if (event?.kind === 'try') this.#tries(nowMs, event.site);
    else if (event !== undefined && event.site.attempt === event.attempt) this.#givesUp(nowMs, event.job);
  }

  #tries(nowMs: number, site: Site): void {
    const { collector, outageMs, handshakeMs } = this.#scale;
    if (nowMs < outageMs) {
      this.#failed(nowMs, site);
      return;
    }
    this.#attempts.count(nowMs);
    if (this.#isRefused()) {
      this.#refused += 1;
      this.#failed(nowMs, site);
      return;
    }
    this.#loggingIn += 1;
    const job: Job = { kind: 'login', site };
    this.#processor.add(nowMs, job, collector.loginMs);
    this.#loggingInAtOnce = Math.max(this.#loggingInAtOnce, this.#loggingIn);
    site.attempt += 1;
    this.#events.add(nowMs + handshakeMs, { kind: 'give up', site, attempt: site.attempt, job });
  }

  /** sshd's `should_drop_connection`: from `percent` at `start` in a line to a hundred at `full`. */
  #isRefused(): boolean {
    const { start, percent, full } = this.#scale.collector.maxStartups;
    if (this.#loggingIn < start) return false;
    if (this.#loggingIn >= full) return true;
    const of100 = percent + ((100 - percent) * (this.#loggingIn - start)) / (full - start);
    return this.#scale.random() * 100 < of100;
  }

  #givesUp(nowMs: number, job: Job): void {
    this.#processor.drop(nowMs, job);
    this.#loggingIn -= 1;
    this.#givenUp += 1;
    this.#failed(nowMs, job.site);
  }

  #ended(nowMs: number): void {
    const job = this.#processor.take(nowMs);
    if (job?.kind === 'login') this.#logsIn(nowMs, job.site);
    else if ((this.#caughtUp += 1) === this.#scale.sites) this.#caughtUpMs = nowMs;
  }

  #logsIn(nowMs: number, site: Site): void {
    const { collector, filesWaiting } = this.#scale;
    this.#loggingIn -= 1;
    site.attempt += 1; // It does not give up any more.
    this.#logins.count(nowMs);
    if ((this.#loggedIn += 1) === this.#scale.sites) this.#loggedInMs = nowMs;
    this.#processor.add(nowMs, { kind: 'transfer', site }, filesWaiting * collector.fileMs);
  }
}

class WorstSecond {
  #second = -1;
  #count = 0;
  most = 0;

  count(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    this.#count = second === this.#second ? this.#count + 1 : 1;
    this.#second = second;
    this.most = Math.max(this.most, this.#count);
  }
}
