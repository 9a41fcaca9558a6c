import type { Report } from '../../core/events.ts';
import { TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { StoredEntry, Transport } from '../../transport.ts';
import type { Stored } from './directory-plan.ts';
import { MOVE_AWAY } from './local-errors.ts';
import type { Finish, Place } from './place.ts';
import { ownCommand } from '../../host/own-command.ts';

/** What became of a directory. */
export interface RestoreResult {
  restored: number;
  bytes: number;
  /** It was here, and is the same there. */
  equal: number;
  /** It is here, and another one there: it stayed. */
  different: number;
  failed: number;
  /** Links and the like, which are not brought back. */
  skipped: number;
}

export interface TallyOptions {
  readonly transport: Transport;
  readonly directory: Name;
  readonly dryRun: boolean;
  /** The site has no other destination. */
  readonly isOnly: boolean;
  readonly report: Report;
}

/** Tells what becomes of the files of a directory, and counts it. */
export class Tally {
  readonly result: RestoreResult = { restored: 0, bytes: 0, equal: 0, different: 0, failed: 0, skipped: 0 };
  readonly #options: TallyOptions;
  readonly #differingBelow = new Set<Name>();

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  /** What is to be brought back: for whoever shows progress. */
  found(entries: readonly StoredEntry[]): void {
    const { directory, report } = this.#options;
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    report({ type: 'found', directory, files: entries.length, bytes });
  }

  restored({ path, size }: StoredEntry): void {
    const { dryRun, report } = this.#options;
    this.result.restored += 1;
    this.result.bytes += size;
    report({ type: 'restored', path, bytes: size, dryRun });
  }

  /** @param path below the directory */
  differs(path: Name, reason: string, hint?: string): void {
    const { directory, report } = this.#options;
    this.result.different += 1;
    for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) this.#differingBelow.add(folder);
    report({ type: 'differs', path: `${directory}/${path}`, reason, ...(hint === undefined ? {} : { hint }) });
  }

  /** A folder, where nothing below it was told already. */
  folderDiffers(path: Name): void {
    if (this.#differingBelow.has(path)) return;
    this.differs(path, 'it is a folder there, and something else stands here under its name', MOVE_AWAY);
  }

  failed(path: Name, { class: errorClass, message, hint }: TransportError): void {
    this.result.failed += 1;
    const why = { class: errorClass, message, ...(hint === undefined ? {} : { hint }) };
    this.#options.report({ type: 'failed', path, ...why, attempts: 1, held: false });
  }

  absent(): void {
    const { directory, transport } = this.#options;
    const message = `Cannot restore ${showName(directory)}: nothing of it is at ${transport.label}`;
    const { isOnly } = this.#options;
    const hint = `${ownCommand('list')} shows what is${isOnly ? '' : '; --from names another destination'}`;
    this.failed(directory, new TransportError('file', message, { hint }));
  }

  leftOut({ unsafe, others }: Stored): void {
    const { directory, transport, report } = this.#options;
    for (const path of unsafe) {
      const message = `Did not restore "${showName(path)}": ${transport.label} gives a name that leads elsewhere`;
      this.failed(path, new TransportError('file', message, { hint: 'see what is wrong with that server' }));
    }
    this.result.skipped += others.length;
    const [first] = others;
    if (first === undefined) return;
    const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
    const message = `${showName(directory)} at ${transport.label} has "${showName(first)}"${more}, which are no regular files: they are not restored`;
    report({ type: 'note', level: 'warning', message });
  }

  incomplete({ incomplete }: Pick<Place, 'incomplete'>): void {
    if (incomplete !== undefined) this.#options.report({ type: 'note', level: 'warning', message: incomplete });
  }

  finish({ isFinished, note }: Finish): void {
    const { directory, transport, report } = this.#options;
    const { restored: files, bytes, equal } = this.result;
    report({ type: 'brought-back', directory, destination: transport.label, files, bytes, equal, isFinished });
    if (note !== undefined) report({ type: 'note', level: 'warning', message: note });
  }
}

/** '' where there is none. */
const parentOf = (path: Name): Name => path.slice(0, Math.max(0, path.lastIndexOf('/')));
