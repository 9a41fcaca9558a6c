import { lstatSync, type BigIntStats } from 'node:fs';
import { resolve } from 'node:path';
import { TransportError } from '../errors.ts';
import { wholeSeconds } from '../identity.ts';
import { isMarked } from '../marks/mark.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import { openDirectoryRecord } from '../marks/record.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { cannotWork } from '../source/directory-failures.ts';
import { isMarker } from '../source/markers.ts';
import { isSiteName, readDirectory, readRoot } from '../source/root.ts';
import type { SiteContext } from './context.ts';
import { FinishedTwin } from './finished-twin.ts';
import type { Outcome } from './sender.ts';
import { UploadQueue } from './upload-queue.ts';

interface OpenDirectory {
  readonly record: MarkRecord;
  readonly queue: UploadQueue;
}

/** The sender's role alone (contract.md §5): files that are named one by one are delivered and marked. */
export class NamedFiles implements Disposable {
  readonly #site: SiteContext;
  readonly #directories = new Map<Name, OpenDirectory>();
  /** By absolute path; what is named once more may be sent after all. */
  readonly #unsent = new Set<Name>();

  readonly #onFatal: () => void;

  /** @param onFatal called when nothing more can be sent */
  constructor(site: SiteContext, onFatal: () => void) {
    this.#site = site;
    this.#onFatal = onFatal;
  }

  /** Files named so far that were not sent. */
  get unsent(): number {
    return this.#unsent.size;
  }

  /** Hands a file over as soon as a slot is free, and does not wait for its outcome. */
  async add(file: Name): Promise<void> {
    const { root, tag } = this.#site.config.source;
    const [directory = '', ...below] = pathBelow(root, file);
    const path = below.join('/');
    if (below.length === 1 && isMarker(path)) {
      this.#site.counters.skipped += 1; // A marker says that files are there; it is none of them.
      return;
    }
    if (this.#site.isReserved(path)) {
      this.#fail(file, `Cannot send "${showName(file)}": its name is reserved for isocket`, 'rename it');
      return;
    }
    try {
      const open = path === '' ? undefined : this.#open(directory);
      if (open !== undefined) {
        await this.#submit(file, `${directory}/${path}`, path, open);
        return;
      }
    } catch (error) {
      const { message, hint } = error instanceof TransportError ? error : cannotWork(directory, error);
      this.#fail(file, message, hint);
      return;
    }
    if (lstatSync(fsPath(resolve(file)), { throwIfNoEntry: false }) === undefined) {
      this.#fail(file, `Cannot send "${showName(file)}": it is not there`, 'name regular files');
      return;
    }
    this.#fail(
      file,
      `Cannot send "${showName(file)}": it is not in a directory of ${showName(root)} that carries the tag "${tag}"`,
      'name files of this site, or use the configuration of theirs',
    );
  }

  /** Resolves when nothing is on its way any more. Rejects with a defect. */
  async drain(): Promise<void> {
    for (const { queue } of this.#directories.values()) {
      await queue.drain();
      await queue.lateProof.end();
    }
  }

  [Symbol.dispose](): void {
    for (const { record } of this.#directories.values()) record[Symbol.dispose]();
  }

  async #submit(file: Name, targetPath: Name, path: Name, { queue, record }: OpenDirectory): Promise<void> {
    if (queue.has(path)) {
      queue.close(path); // Named once more while it is sent: it goes again.
      return;
    }
    const stats = this.#site.sender.stat(targetPath);
    if (stats?.isFile() !== true) {
      const state = stats === undefined ? 'it is not there' : 'it is not a regular file';
      this.#fail(file, `Cannot send "${showName(file)}": ${state}`, 'name regular files');
    } else if (isMarked(stats) && (await this.#isSent(targetPath, path, stats, record))) {
      this.#unsent.delete(resolve(file));
      this.#site.counters.skipped += 1;
    } else await queue.submit(path, stats);
  }

  /** A mark that the record does not explain is a claim: every destination is asked. */
  async #isSent(targetPath: Name, path: Name, stats: BigIntStats, record: MarkRecord): Promise<boolean> {
    const knowledge = record.lookUp(path, stats);
    // Named once more before it is proved: whoever had it mapped may have let go of it.
    if (knowledge !== 'unknown') return knowledge === 'confirmed' && !record.presumed.has(path);
    const { sender, config, signal } = this.#site;
    if (config.source.trustMarks) return true;
    const files = [
      {
        sourcePath: `${config.source.root}/${targetPath}`,
        targetPath,
        size: stats.size,
        mtimeSeconds: wholeSeconds(stats.mtimeNs),
      },
    ];
    const asked = sender.destinations.map((transport) => transport.verify(files, { checksum: false }, signal));
    if ((await Promise.all(asked)).flat().length > 0) return false;
    record.addClaimed(path, stats);
    return true;
  }

  /** undefined where the site has no such directory. */
  #open(name: Name): OpenDirectory | undefined {
    const known = this.#directories.get(name);
    if (known !== undefined) return known;
    const { config, state, keys, isExcluded, report } = this.#site;
    const { root, tag } = config.source;
    // Looked for when it is named: a pipe may be older than the directory.
    if (!isSiteName(name, { tag, isExcluded }) || readDirectory(root, name) === undefined) return undefined;
    const warn = (message: string): void => report({ type: 'note', level: 'warning', message });
    const record = openDirectoryRecord(state, name, keys, warn, { sums: config.manifest });
    const { twins } = readRoot(root, tag, isExcluded).directories.find((one) => one.name === name) ?? {};
    const twin = new FinishedTwin(name, this.#site, () => twins);
    const queue: UploadQueue = new UploadQueue({
      ...this.#site,
      directory: name,
      record,
      areNamed: true,
      isExcluded: () => false, // Whoever names a file wants it sent.
      retry: config.send.retry,
      mayBegin: () => twin.check(),
      onOutcome: (path, outcome) => {
        queue.failures.resolved(path); // It is tried again when it is named again, and not by itself.
        if (outcome.result === 'left-behind') queue.close(path); // No listing finds it: the slow destination is waited for.
        this.#note(`${root}/${name}/${path}`, outcome);
      },
    });
    const open = { record, queue };
    this.#directories.set(name, open);
    return open;
  }

  #note(file: Name, outcome: Outcome): void {
    if (outcome.result === 'sent') this.#unsent.delete(file);
    else this.#unsent.add(file);
    if (this.#site.sender.isOver) this.#onFatal();
    if (outcome.result !== 'changed') return;
    this.#fail(
      file,
      `Did not mark "${showName(file)}": it changed while it was sent`,
      'send it again when it is complete',
    );
  }

  #fail(file: Name, message: string, hint: string | undefined): void {
    this.#unsent.add(resolve(file));
    const words = hint === undefined ? { message } : { message, hint };
    this.#site.report({ type: 'failed', path: file, class: 'file', ...words, attempts: 1, held: false });
  }
}

/** The names from the root down to the file: ["DC1", "sub", "file"]; empty outside the root. */
const pathBelow = (root: Name, file: Name): Name[] => {
  const path = resolve(file);
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1).split('/') : [];
};
