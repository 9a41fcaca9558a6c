import type { BigIntStats } from 'node:fs';
import type { Report } from '../core/events.ts';
import { TransportError } from '../errors.ts';
import type { MarkRecord } from '../marks/record.ts';
import type { Name } from '../name.ts';
import type { Transport } from '../transport.ts';
import { Verification } from '../verify/verification.ts';

export interface ClaimsCheckOptions {
  readonly root: Name;
  readonly directory: Name;
  readonly destinations: readonly Transport[];
  readonly record: MarkRecord;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface Claim extends BigIntStats {
  readonly path: Name;
}

/**
 * Marks that no record of this site explains: of the old tool, of another site, from before the state was lost, born so, under another
 * name. Every destination is asked (contract.md §3): what all of them have goes into the record without being sent.
 */
export class ClaimsCheck {
  readonly #options: ClaimsCheckOptions;
  readonly #verification: Verification<Claim>;
  readonly #absent = new Map<Name, BigIntStats>();
  #asked = 0;
  #confirmed = 0;

  constructor(options: ClaimsCheckOptions) {
    const { root, directory, destinations, record, signal } = options;
    this.#options = options;
    this.#verification = new Verification<Claim>({
      root,
      directory,
      destinations,
      checksum: false,
      different: (_discrepancy, claim) => this.#absent.set(claim.path, claim),
      equal: (claim) => {
        this.#confirmed += 1;
        record.addClaimed(claim.path, claim);
      },
      signal,
    });
  }

  /** A file that bears no claim: it counts for whether a folder is worth listing. */
  pass(path: Name): Promise<void> | undefined {
    return this.#asked === 0 ? undefined : this.#verification.pass(path);
  }

  add(path: Name, stats: BigIntStats): Promise<void> | undefined {
    this.#asked += 1;
    return this.#verification.add(Object.assign(stats, { path }));
  }

  /**
   * Resolves with what must be sent, and with how many claims stay open because a destination could not be asked.
   * Rejects with what is no failure of a transport.
   */
  async end(): Promise<{
    readonly absent: ReadonlyMap<Name, BigIntStats>;
    readonly confirmed: number;
    readonly open: number;
  }> {
    if (this.#asked === 0) return { absent: this.#absent, confirmed: 0, open: 0 };
    try {
      await this.#verification.end();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
    const absent = this.#absent.size;
    const open = this.#asked - this.#confirmed - absent;
    const { directory, report } = this.#options;
    report({ type: 'claims', directory, confirmed: this.#confirmed, absent, open });
    return { absent: this.#absent, confirmed: this.#confirmed, open };
  }
}

/** Waits for what is to be waited for. */
export const both = (a: Promise<void> | undefined, b: Promise<void> | undefined): Promise<void> | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Promise.all([a, b]).then(() => undefined);
