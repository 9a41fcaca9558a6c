import type { BigIntStats } from 'node:fs';
import type { CycleFacts } from '../core/closing.ts';
import type { HeldBackReason, SkippedKind } from '../core/events.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import { Verification } from '../verify/verification.ts';
import { latestOf } from '../core/clock-tick.ts';
import { both, ClaimsCheck } from './claims-check.ts';
import type { DirectoryCount } from './directory-count.ts';
import type { Presumed } from './late-proof.ts';
import { FoundFiles } from './found-files.ts';
import type { SiteContext } from './context.ts';
import { listDirectory, type ListingVisitor } from './list-directory.ts';
import { isAsListed, type Listing } from './listing.ts';
import type { ListingTurn } from './listing-turn.ts';
import { SkippedNames } from './skipped-names.ts';
import { TwinNames } from './twin-names.ts';
import type { Manifest } from './manifest.ts';
import type { UploadQueue } from './upload-queue.ts';

export interface CycleOptions {
  readonly record: MarkRecord;
  readonly queue: UploadQueue;
  /** undefined: none is asked for. */
  readonly manifest: Manifest | undefined;
  /** Every file that is closed is reported by an event. */
  readonly areEventsReported: boolean;
  /** The first cycle reports what is held back and skipped; later ones would repeat it. */
  readonly tells: boolean;
  readonly count: DirectoryCount;
  readonly foundByListing: () => void;
  readonly unreadable: (path: Name, error: unknown) => void;
}

/** A listing that began within this time before the directory is finished need not be repeated where the parser closed it. */
const STILL_LATEST_MS = 1000;

/** One cycle of work on a directory: its listings, and what they established. */
export class DirectoryCycle {
  /** What the last look at the root said of the directory. */
  plan: DirectoryPlan;
  /** The last whole listing; undefined: it failed. */
  listing: Listing | undefined;
  /** It held a file back for which nothing else will ask: neither its close, nor the end of its sending. */
  awaitsQuiet = false;
  /** Marks without a record that the destination could not be asked for. */
  openClaims = 0;
  /** Files that were checked at every destination since they were sent. */
  checked = 0;
  /** What was presumed when the last listing began. */
  presumed: Presumed = [];
  /** What the queue had sent when the last listing began. */
  #sentBefore = 0;
  readonly #site: SiteContext;
  readonly #options: CycleOptions;
  readonly #skipped: SkippedNames;
  #listings = 0;
  #verification: Verification | undefined;
  #twins: TwinNames;
  #isVerified = false;
  #isConfirmed = false;
  /** By path: what two destinations lack is one file. */
  readonly #refuted = new Map<Name, string>();
  #confirmedClaims = 0;
  readonly #found: FoundFiles;

  constructor(plan: DirectoryPlan, site: SiteContext, options: CycleOptions) {
    this.plan = plan;
    this.#site = site;
    this.#options = options;
    this.#twins = new TwinNames(options.record);
    this.#skipped = new SkippedNames(site, plan.directory.name);
    this.#found = new FoundFiles(plan.directory.name, site.report);
  }

  /** Files that the destination confirmed and that verification did not find there. */
  get refuted(): number {
    return this.#refuted.size;
  }

  /** Tells what the directory is finished without. */
  reportSkipped(): void {
    this.#skipped.reportFinished(this.listing?.skipped ?? new Map<SkippedKind, number>());
  }

  /** contract.md §5: files left unsent although they could be sent; in a closed directory every unsent file counts. */
  leftUnsent(): number {
    const { queue } = this.#options;
    // A file that failed twice is one file.
    const unreadable = this.listing?.unreadable ?? 0;
    const stuck = queue.failures.size + queue.outcomes.stopped + this.openClaims + unreadable;
    if (this.plan.closedBy === null || this.listing === undefined) return stuck;
    const sent = queue.outcomes.sent - this.#sentBefore;
    const unsent = Math.max(0, this.listing.unsent - this.#confirmedClaims - sent);
    return Math.max(stuck, unsent + this.refuted);
  }

  facts(): CycleFacts {
    const { listing } = this;
    const { failed, stopped, waiting, 'left-behind': leftBehind } = this.#options.queue.outcomes;
    const sentChangeMs = this.#site.state.lastChanges.get(this.plan.directory.name) ?? 0;
    return {
      closedBy: this.plan.closedBy,
      listedAs: listing?.closedBy ?? null,
      listings: this.#listings,
      unsent: listing?.unsent ?? 0,
      heldBack: listing?.heldBack ?? 0,
      openClaims: this.openClaims,
      failed: failed + stopped + waiting,
      leftBehind,
      reserved: listing?.reserved ?? 0,
      unreadable: listing?.unreadable ?? 0,
      refuted: this.refuted,
      openForWriting: listing?.openForWriting ?? false,
      quietMs: this.#site.sender.clock.earliest() - latestOf(Math.max(sentChangeMs, listing?.changedMs ?? 0)),
      verified: this.#isVerified,
      latest: this.#isLatest(),
      needsManifest: this.#options.manifest?.isCurrent === false,
    };
  }

  /** Lists the directory, sends what is unsent, asks for claims, and begins to verify what is sent. */
  async list({ isFirst, turn }: { readonly isFirst: boolean; readonly turn: ListingTurn }): Promise<void> {
    const { directory } = this.plan;
    this.listing = undefined;
    this.awaitsQuiet = false;
    [this.#isVerified, this.#isConfirmed, this.#confirmedClaims, this.checked] = [false, false, 0, 0];
    this.#options.manifest?.forget();
    this.#refuted.clear();
    this.#verification = this.#beginVerification();
    this.#twins = new TwinNames(this.#options.record);
    const claims = new ClaimsCheck(this.#site, directory.name, this.#options.record);
    const listing = await this.#list(this.#options.count.counting(this.#visitor(claims, isFirst)));
    const { absent, confirmed, open } = await claims.end(turn);
    this.#options.count.end(listing, absent, open);
    for (const [path, stats] of absent) await this.#options.queue.submit(path, stats);
    [this.openClaims, this.#confirmedClaims] = [open, confirmed];
    this.#listings += 1;
    this.#found.flush();
    this.listing = listing;
  }

  /** Waits until what the listing showed is checked. Returns what the destination does not have as it was sent. */
  async verify(): Promise<ReadonlyMap<Name, string>> {
    await this.#verification?.end();
    const { directory } = this.plan;
    if (this.#twins.areThere || directory.twins !== undefined) {
      const list = (visitor: ListingVisitor) => this.#list(visitor);
      await this.#twins.compare(list, this.#beginVerification(true), this.#refuted, directory, this.#site);
    }
    this.#isVerified = true;
    return this.#refuted;
  }

  /** Lists once more without sending: `facts` is then of a listing from after the verification. */
  async confirm(): Promise<void> {
    const { manifest } = this.#options;
    manifest?.beginLook();
    const visitor: ListingVisitor = { sent: (path, stats) => manifest?.look(path, stats) };
    this.#confirmedClaims = 0;
    this.listing = await this.#list(visitor, { isLast: true });
    this.#listings += 1;
    this.#isConfirmed = true;
  }

  /** What it says holds if the listing that follows shows the same. */
  async writeManifest(): Promise<void> {
    await this.#options.manifest?.write();
    this.#isConfirmed = false;
  }

  #list(visitor: ListingVisitor, { isLast = false } = {}): Promise<Listing> {
    const { isExcluded, openFiles, config, sender } = this.#site;
    const { outcomes, lateProof, presumedMs } = this.#options.queue;
    this.#sentBefore = outcomes.sent;
    this.presumed = lateProof.presumed;
    const [{ source, manifest }, now] = [config, () => sender.clock.now()];
    const options = { ...source, isExcluded, openFiles, manifest, isLast, presumedMs, now };
    return listDirectory(this.plan, this.#options.record, options, visitor);
  }

  #isLatest(): boolean {
    const { listing, plan } = this;
    if (listing === undefined) return false;
    const isJustListed = performance.now() - listing.startedMs < STILL_LATEST_MS;
    const isEnough = plan.closedBy === 'parser' && this.#options.manifest?.isWritten !== true && isJustListed;
    return (this.#isConfirmed || isEnough) && isAsListed(this.#site.config.source.root, plan.directory.name, listing);
  }

  #beginVerification(checksum = this.#site.config.verify === 'checksum'): Verification | undefined {
    const { config, sender, signal } = this.#site;
    if (this.plan.closedBy === null || config.verify === 'off') return undefined;
    return new Verification({
      root: config.source.root,
      directory: this.plan.directory.name,
      destinations: sender.destinations,
      checksum,
      different: ({ detail }, { path }) => this.#refuted.set(path, detail),
      signal,
    });
  }

  #visitor(claims: ClaimsCheck, isFirst: boolean): ListingVisitor {
    const verification = this.#verification;
    const { config, signal } = this.#site;
    const { record, queue, tells } = this.#options;
    const passesDelivered = config.verify === 'sent';
    return {
      sent: (path, stats) => {
        const waits = claims.pass(path);
        if (verification === undefined) return waits;
        this.#twins.add(path);
        if (passesDelivered && !record.isNew(path)) return both(waits, verification.pass(path));
        this.checked += 1;
        return both(waits, verification.add({ path, size: stats.size, mtimeNs: stats.mtimeNs }));
      },
      ready: (path, stats) => {
        signal.throwIfAborted();
        if (isFirst && !queue.has(path)) this.#noteFound(path, stats);
        return queue.submit(path, stats);
      },
      claimed: (path, stats) => {
        signal.throwIfAborted();
        return queue.has(path) ? undefined : claims.add(path, stats);
      },
      heldBack: (path, reason, stats) => this.#noteHeldBack(path, reason, stats),
      skipped: isFirst ? (path, kind) => this.#skipped.note(path, kind, tells) : () => undefined,
      unreadable: (path, error) => this.#options.unreadable(path, error),
    };
  }

  #noteFound(path: Name, stats: BigIntStats): void {
    const { queue, areEventsReported } = this.#options;
    if (areEventsReported && !queue.failures.mustWait(path) && !queue.wasTried(path)) this.#options.foundByListing();
    this.#found.add(stats);
  }

  #noteHeldBack(path: Name, reason: HeldBackReason, stats?: BigIntStats): void {
    const { queue, areEventsReported, tells } = this.#options;
    // The close of a file with several names is reported under the one that it was opened by, which may be anywhere.
    const isCloseReported = areEventsReported && (stats?.nlink ?? 1n) === 1n;
    // In a closed directory its close was reported already, and the look at open files may be a second old.
    const isReported = queue.has(path) || (isCloseReported && reason.kind === 'open-for-writing');
    // A reserved name is held until it is renamed, which no waiting brings about.
    const mayEnd = reason.kind !== 'reserved-name';
    if (mayEnd && (this.plan.closedBy !== null || !isReported)) this.awaitsQuiet = true;
    if (tells) this.#site.report({ type: 'held-back', path: `${this.plan.directory.name}/${path}`, reason });
  }
}
