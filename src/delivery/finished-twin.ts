import { wholeSeconds } from '../identity.ts';
import { showName, type Name } from '../name.ts';
import { FINISHED_WATCH } from '../source/markers.ts';
import { walk } from '../source/scanner.ts';
import { TransportError, type ExpectedFile } from '../transport.ts';
import type { SiteContext } from './context.ts';
import { ListingTurn } from './listing-turn.ts';
import { otherCase } from './twin-names.ts';

type Site = Pick<SiteContext, 'config' | 'isExcluded' | 'sender' | 'signal'>;

const MOST_ASKED = 3;

/**
 * Keeps a directory from being sent over a finished one, whose name differs from its own in case or the like only: a destination may
 * hold both for one, and what was proved would be replaced.
 */
export class FinishedTwin {
  readonly #directory: Name;
  readonly #site: Site;
  readonly #twins: () => readonly Name[] | undefined;
  /** Do the destinations keep it apart? By its name. */
  readonly #apart = new Map<Name, boolean>();

  /** @param twins all directories whose names are like this one's, as they are now; undefined: none */
  constructor(directory: Name, site: Site, twins: () => readonly Name[] | undefined) {
    this.#directory = directory;
    this.#site = site;
    this.#twins = twins;
  }

  /** Rejects with a TransportError `file` where a destination takes this directory for one of them that is finished. */
  check(turn = new ListingTurn()): Promise<void> | undefined {
    const twins = this.#twins();
    return twins && this.#check(twins, turn);
  }

  async #check(twins: readonly Name[], turn: ListingTurn): Promise<void> {
    for (const twin of twins) {
      if (this.#site.sender.stat(`${twin}/${FINISHED_WATCH}`)?.isFile() !== true) continue;
      const isApart = this.#apart.get(twin) ?? !(await turn.aside(this.#isOneWith(twin)));
      this.#apart.set(twin, isApart);
      if (isApart) continue;
      const [ours, other] = [showName(this.#directory), showName(twin)];
      const message = `Cannot send ${ours}: a destination takes it for ${other}, which is finished, and its files would take the place of those`;
      throw new TransportError('file', message, { hint: `rename ${ours}` });
    }
  }

  async #isOneWith(twin: Name): Promise<boolean> {
    const { sender, signal } = this.#site;
    const files = this.#filesOf(twin);
    if (files.length === 0) return false;
    const answers = sender.destinations.map((transport) => transport.verify(files, { checksum: false }, signal));
    return (await Promise.all(answers)).some((discrepancies) => discrepancies.length < files.length);
  }

  /** Of its files, under names where no destination that keeps the two apart has them. */
  #filesOf(twin: Name): ExpectedFile[] {
    const { config, isExcluded, sender } = this.#site;
    const files: ExpectedFile[] = [];
    for (const entry of walk(`${config.source.root}/${twin}`, isExcluded)) {
      if (entry.kind !== 'file') continue;
      const { size, mtimeNs } = entry.stats;
      const mtimeSeconds = wholeSeconds(mtimeNs);
      for (const targetPath of [`${this.#directory}/${entry.path}`, otherCase(`${twin}/${entry.path}`)]) {
        const own = sender.stat(targetPath);
        if (own?.size === size && wholeSeconds(own.mtimeNs) === mtimeSeconds) continue;
        files.push({ sourcePath: `${config.source.root}/${twin}/${entry.path}`, targetPath, size, mtimeSeconds });
      }
      if (files.length >= MOST_ASKED) break;
    }
    return files;
  }
}
