import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IsocketEvent } from '../../core/events.ts';
import type { DirectorySnapshot } from '../../core/lifecycle.ts';
import type { OwnSite } from '../../marks/finished-elsewhere.ts';
import type { Name } from '../../name.ts';
import { finishedStatus, readFinishedProof } from '../finished-proof.ts';
import type { DirectoryStatus } from '../site-status.ts';

const READS_A_TURN = 64;
/** A directory that was just finished is missing in listings of the root that began before. */
const MISSING_AT_MOST = 2;

interface Known {
  readonly status: Omit<DirectoryStatus, 'held'>;
  /** Of which folder and which proof; undefined: an event told of it. */
  readonly key: string | undefined;
  readonly missing: number;
}

/** What the finished directories of a site hold. The proof of each is read once: of a million files in them none is looked at. */
export class FinishedDirectories {
  readonly #root: Name;
  readonly #own: OwnSite;
  #listed: readonly DirectorySnapshot[] = [];
  #known = new Map<Name, Known>();

  constructor(root: Name, own: OwnSite) {
    this.#root = root;
    this.#own = own;
  }

  /** By name. */
  get all(): ReadonlyMap<Name, Pick<Known, 'status'>> {
    return this.#known;
  }

  note(event: IsocketEvent): void {
    if (event.type === 'filled') {
      // Its proof says more than it did.
      this.#known.delete(event.directory);
      this.#listed = [];
    }
    if (event.type !== 'finished') return;
    const { directory: name, files, bytes, closedBy } = event;
    const proof = { files, bytes, closedBy, skipped: 0, excluded: 0, site: this.#own.site, destinations: [] };
    this.#known.set(name, { status: finishedStatus({ name }, proof, this.#own), key: undefined, missing: 0 });
  }

  /** Takes a listing of the root, in portions. The same one costs nothing. */
  async take(listed: readonly DirectorySnapshot[]): Promise<void> {
    if (listed === this.#listed) return;
    const known = new Map<Name, Known>();
    let reads = 0;
    for (const one of listed) {
      if (!one.finishedWatch) continue;
      const key = `${one.dev} ${one.ino} ${one.markedNs}`;
      const before = this.#known.get(one.name);
      if (before?.key === key) {
        const { late = false } = one;
        known.set(one.name, { ...before, status: { ...before.status, late } });
        continue;
      }
      const proof = readFinishedProof(`${this.#root}/${one.name}`);
      known.set(one.name, { status: finishedStatus(one, proof, this.#own), key, missing: 0 });
      if ((reads += 1) % READS_A_TURN === 0) await nextTurn();
    }
    for (const [name, { missing, ...one }] of this.#known)
      if (!known.has(name) && one.key === undefined && missing < MISSING_AT_MOST)
        known.set(name, { ...one, missing: missing + 1 });
    this.#known = known;
    this.#listed = listed;
  }
}
