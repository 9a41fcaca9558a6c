import type { Config, Destination } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { createSemaphore } from '../../core/semaphore.ts';
import { ConnectionHealth } from '../../delivery/connection-health.ts';
import { createSiteContext } from '../../delivery/context.ts';
import { RetryingTransport } from '../../delivery/retrying-transport.ts';
import { systemErrorCode, TransportError } from '../../errors.ts';
import { namedIn } from '../../marks/finished-elsewhere.ts';
import type { MarkRecord } from '../../marks/mark-record.ts';
import { createMemoryRecord, openDirectoryRecord, readRecord } from '../../marks/record.ts';
import { destinationKeys } from '../../marks/record-hash.ts';
import type { StateFolder } from '../../marks/state.ts';
import type { Name } from '../../name.ts';
import { cannotWork, failedDirectory } from '../../source/directory-failures.ts';
import { readProof } from '../../source/read-proof.ts';
import type { Transport } from '../../transport.ts';
import { DirectoryFill } from './fill-directory.ts';

/** A destination of the site, and what reaches it. */
export interface SiteEnd {
  readonly destination: Destination;
  readonly transport: Transport;
}

/** Pure. @param transports of these destinations, in their order */
export const endsIn = (destinations: readonly Destination[], transports: readonly Transport[]): SiteEnd[] =>
  destinations.flatMap((destination, index) => {
    const transport = transports[index];
    return transport === undefined ? [] : { destination, transport };
  });

export interface FillOptions {
  readonly config: Config;
  readonly state: StateFolder;
  /** Gets what it lacks. */
  readonly to: SiteEnd;
  /** Those that must have it. */
  readonly from: readonly SiteEnd[];
  readonly plans: readonly DirectoryPlan[];
  /** Nothing is sent, nor written here. */
  readonly dryRun?: boolean;
  /** What is there is compared by content, not only by size and time. */
  readonly checksum?: boolean;
  /** Nothing is written into the records of directories: others write there meanwhile. */
  readonly isBeside?: boolean;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface FillResult {
  /** Directories to which something was sent, or that name the destination now; in a dry run, none. */
  directories: number;
  /** Files that were there already. */
  there: number;
  /** Files that were sent; in a dry run, that would be. */
  sent: number;
  bytes: number;
  /** Files, and directories as such, that are not there. */
  failed: number;
}

const DIRECTORIES_AT_ONCE = 4;

/**
 * Brings to one destination what the others have and it lacks, of these directories. What it has already is not sent again.
 * @throws a defect
 */
export const fill = async (options: FillOptions): Promise<FillResult> => new Filling(options).run();

class Filling {
  readonly #options: FillOptions;
  readonly #site: ReturnType<typeof createSiteContext>;
  readonly #to: RetryingTransport;
  readonly #others: readonly RetryingTransport[];
  readonly #slots = createSemaphore(() => this.#options.to.transport.inFlight);
  readonly #result: FillResult = { directories: 0, there: 0, sent: 0, bytes: 0, failed: 0 };

  constructor(options: FillOptions) {
    const { config, state, to, from, report, signal } = options;
    this.#options = options;
    const alone = { ...config, destinations: [to.destination] };
    this.#site = createSiteContext({ config: alone, state, destinations: [to.transport], report, signal }, 'pass');
    const { retry } = config.send;
    const [reached] = this.#site.sender.destinations;
    if (reached === undefined) throw new RangeError('a sender without a destination');
    this.#to = reached;
    this.#others = from.map(({ transport }) => {
      const health = new ConnectionHealth({ destination: transport.label, retry, retryMode: 'pass', report });
      return new RetryingTransport(transport, { health, waits: true });
    });
  }

  async run(): Promise<FillResult> {
    const { plans, signal } = this.#options;
    const left = [...plans];
    const work = async (): Promise<void> => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) {
        // Nothing goes there any more: what is left is not filled either.
        if (signal.aborted || this.#to.health.fatal !== undefined) this.#result.failed += signal.aborted ? 0 : 1;
        else await this.#fill(one);
      }
    };
    await Promise.all(Array.from({ length: DIRECTORIES_AT_ONCE }, work));
    return this.#result;
  }

  async #fill(plan: DirectoryPlan): Promise<void> {
    const { config, state, report, signal, checksum = false, dryRun = false, isBeside = false } = this.#options;
    const keepsNothing = dryRun || isBeside;
    const { name } = plan.directory;
    const proof = plan.phase === 'finished' ? readProof(`${config.source.root}/${name}`) : undefined;
    const indices = this.#asked(proof);
    let work: DirectoryFill | undefined;
    try {
      using record = this.#openRecord(name);
      work = new DirectoryFill({
        plan,
        site: this.#site,
        to: this.#to,
        record,
        here: (keepsNothing ? readRecord(state.recordPath(name), this.#site.keys) : undefined) ?? record,
        elsewhere: this.#elsewhere(name, indices),
        others: indices.flatMap((index) => this.#others[index] ?? []),
        isNamed: namedIn(proof).has(this.#to.label),
        isClosedByParser: (proof as { readonly closedBy?: unknown } | undefined | null)?.closedBy === 'parser',
        slots: this.#slots,
        dryRun,
        checksum: checksum || config.verify === 'checksum',
        report,
      });
      await work.run();
      if (work.hasChanged) this.#result.directories += 1;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TransportError) && systemErrorCode(error) === undefined) throw error;
      this.#result.failed += 1;
      const failure = error instanceof TransportError ? error : cannotWork(name, error);
      // A connection reports its own failures.
      if (failure.class === 'file') report(failedDirectory(name, failure));
    } finally {
      this.#add(work?.tally);
    }
  }

  #add(one: DirectoryFill['tally'] | undefined): void {
    if (one === undefined) return;
    const { dryRun = false } = this.#options;
    this.#result.there += one.files - (dryRun ? 0 : one.sent);
    this.#result.sent += one.sent;
    this.#result.bytes += one.sentBytes;
    this.#result.failed += one.failed;
  }

  /** Which of the others must have a directory: those that its proof names; all where it names none. */
  #asked(proof: unknown): number[] {
    const named = namedIn(proof);
    const all = [...this.#others.keys()];
    return named.size === 0 ? all : all.filter((index) => named.has(this.#others[index]?.label));
  }

  #openRecord(name: Name): MarkRecord {
    const { state, report, dryRun = false, isBeside = false, config } = this.#options;
    const { keys } = this.#site;
    if (dryRun || isBeside) return createMemoryRecord(keys);
    const warn = (message: string): void => report({ type: 'note', level: 'warning', message });
    return openDirectoryRecord(state, name, keys, warn, { sums: config.manifest });
  }

  #elsewhere(name: Name, indices: readonly number[]): Pick<MarkRecord, 'lookUp'> | undefined {
    const { from, state } = this.#options;
    const identities = indices.flatMap((index) => from[index]?.destination ?? []);
    return readRecord(state.recordPath(name), destinationKeys(identities));
  }
}
