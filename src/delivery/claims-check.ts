import type { BigIntStats } from 'node:fs';
import { TransportError } from '../errors.ts';
import { isSameFile, type FileIdentity } from '../identity.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import { Verification } from '../verify/verification.ts';
import type { SiteContext } from './context.ts';
import type { ListingTurn } from './listing-turn.ts';

type Site = Pick<SiteContext, 'config' | 'sender' | 'report' | 'signal'>;

/** What is to be kept of a marked file while its folder is listed at the destinations. */
interface Claim extends FileIdentity {
  readonly path: Name;
}

/**
 * Marks that no record of this site explains: of the old tool, of another site, from before the state was lost, born so, under another
 * name. Every destination is asked (contract.md §3): what all of them have goes into the record without being sent.
 */
export class ClaimsCheck {
  readonly #site: Site;
  readonly #directory: Name;
  readonly #verification: Verification<Claim>;
  readonly #absent = new Map<Name, FileIdentity>();
  #asked = 0;
  #confirmed = 0;

  constructor(site: Site, directory: Name, record: MarkRecord) {
    this.#site = site;
    this.#directory = directory;
    this.#verification = new Verification<Claim>({
      root: site.config.source.root,
      directory,
      destinations: site.sender.destinations,
      checksum: false,
      different: (_discrepancy, claim) => this.#absent.set(claim.path, claim),
      equal: (claim) => {
        this.#confirmed += 1;
        record.addClaimed(claim.path, claim);
      },
      signal: site.signal,
    });
  }

  /** A file that bears no claim: it counts for whether a folder is worth listing. */
  pass(path: Name): Promise<void> | undefined {
    return this.#asked === 0 ? undefined : this.#verification.pass(path);
  }

  add(path: Name, { dev, ino, size, mtimeNs, ctimeNs }: FileIdentity): Promise<void> | undefined {
    this.#asked += 1;
    return this.#verification.add({ path, dev, ino, size, mtimeNs, ctimeNs });
  }

  /**
   * Resolves with what must be sent, and with how many claims stay open because a destination could not be asked.
   * Rejects with what is no failure of a transport.
   */
  async end(turn: ListingTurn): Promise<{
    readonly absent: ReadonlyMap<Name, BigIntStats>;
    readonly confirmed: number;
    readonly open: number;
  }> {
    if (this.#asked === 0) return { absent: new Map(), confirmed: 0, open: 0 };
    try {
      await turn.aside(this.#verification.end());
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
    const absent = this.#absent.size;
    const open = this.#asked - this.#confirmed - absent;
    this.#site.report({ type: 'claims', directory: this.#directory, confirmed: this.#confirmed, absent, open });
    return { absent: this.#unchanged(), confirmed: this.#confirmed, open };
  }

  /** What was changed since it was listed may be half: the next listing judges it. */
  #unchanged(): Map<Name, BigIntStats> {
    const unchanged = new Map<Name, BigIntStats>();
    for (const [path, listed] of this.#absent) {
      const stats = this.#site.sender.stat(`${this.#directory}/${path}`);
      if (stats !== undefined && isSameFile(stats, listed)) unchanged.set(path, stats);
    }
    return unchanged;
  }
}

/** Waits for what is to be waited for. */
export const both = (a: Promise<void> | undefined, b: Promise<void> | undefined): Promise<void> | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Promise.all([a, b]).then(() => undefined);
