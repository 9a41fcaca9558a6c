import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, rmSync, utimesSync, writeFileSync, type BigIntStats } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { tickLeftMs } from '../core/clock-tick.ts';
import { formatSha256Sums, type FileSum } from '../core/sha256sums.ts';
import { counted, formatBytes } from '../core/units.ts';
import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import { wholeSeconds } from '../identity.ts';
import { isMarked } from '../marks/mark.ts';
import { createRecordHash } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import { manifestPath } from '../marks/state.ts';
import { showName, type Name } from '../name.ts';
import { readContentSum } from '../source/content-sum.ts';
import { MANIFEST } from '../source/markers.ts';
import { walk } from '../source/scanner.ts';
import type { SiteContext } from './context.ts';

const ENTRIES_A_TURN = 256;
const MODE = 0o644;

interface ToRead {
  readonly path: Name;
  readonly stats: BigIntStats;
}

/**
 * `SHA256SUMS` of one directory, delivered after all of its files and before it is finished: of each file in just the state that the record
 * proves. A sum is of what was read while sending; a file that this process did not read then (rsync read it, an earlier run, a claim, the
 * rest of an earlier attempt) is read once more here.
 */
export class Manifest {
  readonly #site: SiteContext;
  readonly #directory: Name;
  readonly #record: MarkRecord;
  readonly #written = new Look();
  readonly #seen = new Look();
  #sha256: string | null = null;
  #isWritten = false;
  readonly #deliveries = { begun: 0, ended: 0 };

  constructor(site: SiteContext, directory: Name, record: MarkRecord) {
    this.#site = site;
    this.#directory = directory;
    this.#record = record;
  }

  /** Of the manifest itself; null where the directory has no file: an empty manifest is an error for `sha256sum -c`. */
  get sha256(): string | null {
    return this.#sha256;
  }

  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** A delivery failed: a temporary file may be left. */
  get isInterrupted(): boolean {
    return this.#deliveries.begun > this.#deliveries.ended;
  }

  /** It was delivered, and the last listing showed the same files in the same states. */
  get isCurrent(): boolean {
    return this.#isWritten && this.#written.equals(this.#seen);
  }

  /** A listing begins that sends: what was delivered before it counts no more. */
  forget(): void {
    this.#isWritten = false;
  }

  /** A listing begins that only looks; each of its sent files follows. */
  beginLook(): void {
    this.#seen.clear();
  }

  look(path: Name, stats: BigIntStats): undefined {
    this.#seen.add(path, stats);
  }

  /** Delivers it to every destination, unless the directory is not as the record has it: the next listing shows that. */
  async write(): Promise<void> {
    this.#isWritten = false;
    this.#written.clear();
    const sums = await this.#sums();
    if (sums === undefined) return;
    const content = formatSha256Sums(sums.files);
    this.#sha256 = sums.files.length === 0 ? null : createHash('sha256').update(content).digest('hex');
    if (sums.files.length > 0) await this.#deliver(content, sums.newestNs);
    this.#isWritten = true;
  }

  /** undefined where a file is not what the record has, or changes while it is read. */
  async #sums(): Promise<{ readonly files: FileSum[]; readonly newestNs: bigint } | undefined> {
    const { config, isExcluded, isReserved, signal } = this.#site;
    const { root, trustMarks } = config.source;
    const files: FileSum[] = [];
    const toRead: ToRead[] = [];
    let [entries, newestNs] = [0, 0n];
    for (const entry of walk(`${root}/${this.#directory}`, isExcluded)) {
      if ((entries += 1) % ENTRIES_A_TURN === 0) {
        await nextTurn();
        signal.throwIfAborted();
      }
      if (entry.kind === 'folder' || entry.kind === 'skipped') continue;
      if (entry.kind !== 'file') return undefined;
      const { path, stats } = entry;
      if (isReserved(path) || !isMarked(stats)) return undefined;
      const knowledge = this.#record.lookUp(path, stats);
      if (knowledge !== 'confirmed' && !(knowledge === 'unknown' && trustMarks)) return undefined;
      this.#written.add(path, stats);
      if (stats.mtimeNs > newestNs) newestNs = stats.mtimeNs;
      const sum = this.#record.sums?.of(path, stats);
      if (sum === undefined) toRead.push({ path, stats });
      else files.push({ path, sum });
    }
    const read = await this.#read(toRead);
    return read && { files: [...files, ...read], newestNs };
  }

  async #read(toRead: readonly ToRead[]): Promise<FileSum[] | undefined> {
    const { config, report, signal } = this.#site;
    if (toRead.length === 0) return [];
    const bytes = toRead.reduce((sum, { stats }) => sum + Number(stats.size), 0);
    const what = `${counted(toRead.length, 'file')} (${formatBytes(bytes)}) that ${toRead.length === 1 ? 'was not read while it was' : 'were not read while they were'} sent`;
    report({ type: 'note', level: 'info', message: `reads for ${this.#name}: ${what}` });
    const files: FileSum[] = [];
    for (const { path, stats } of toRead) {
      // Read within the tick of its last change, the sum would hold for a later change as well.
      const waitMs = tickLeftMs(stats.ctimeNs, Date.now());
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
      const sum = await this.#readOne(config.source.root, `${this.#directory}/${path}`, stats);
      if (sum === undefined) return undefined;
      this.#record.sums?.add(path, stats, sum); // Not once more after a crash.
      files.push({ path, sum: sum.toString('hex') });
    }
    return files;
  }

  async #readOne(root: Name, path: Name, stats: BigIntStats): Promise<Buffer | undefined> {
    try {
      return await readContentSum(root, path, stats, this.#site.signal);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      throw new TransportError('file', `Cannot read "${showName(path)}" for ${this.#name}: ${plainMessage(error)}`, {
        hint: 'let the user that runs isocket read it, or check the disk for errors; the directory is finished after that',
        cause: error,
      });
    }
  }

  /**
   * By way of a file in the state folder. Its mtime is that of the newest file: delivered once more after a crash it is the same file, which
   * an append-only receiver admits.
   */
  async #deliver(content: Buffer, newestNs: bigint): Promise<void> {
    const { sender, state, config, signal } = this.#site;
    const sourcePath = manifestPath(state.recordPath(this.#directory));
    const targetPath = `${this.#directory}/${MANIFEST}`;
    rmSync(sourcePath, { force: true });
    try {
      writeFileSync(sourcePath, content, { mode: MODE, flag: 'wx' });
      const mtimeSeconds = wholeSeconds(newestNs);
      utimesSync(sourcePath, mtimeSeconds, mtimeSeconds);
      const identity = lstatSync(sourcePath, { bigint: true });
      this.#deliveries.begun += 1;
      await sender.deliver({ sourcePath, targetPath, mode: MODE, identity });
      this.#deliveries.ended += 1;
      if (config.verify === 'off') return;
      const expected = { sourcePath, targetPath, size: identity.size, mtimeSeconds };
      const checksum = config.verify === 'checksum';
      const checks = sender.destinations.map((one) => one.verify([expected], { checksum }, signal));
      const [wrong] = (await Promise.all(checks)).flat();
      if (wrong === undefined) return;
      throw new TransportError('file', `Cannot finish: ${this.#name} at the destination: ${wrong.detail}`, {
        hint: 'it was confirmed a moment ago: see what changes files at the destination; it is delivered again',
      });
    } finally {
      rmSync(sourcePath, { force: true });
    }
  }

  get #name(): string {
    return `"${showName(`${this.#directory}/${MANIFEST}`)}"`;
  }
}

/** Which files a listing showed, and in which states, whatever their order: two sums over a keyed hash, with a key of this process. */
class Look {
  #files = 0;
  #first = 0;
  #second = 0;

  clear(): void {
    this.#files = 0;
    this.#first = 0;
    this.#second = 0;
  }

  add(path: Name, stats: BigIntStats): void {
    const [first, second] = lookHash.name(path, lookHash.state(stats));
    this.#files += 1;
    this.#first = (this.#first + first) | 0;
    this.#second = (this.#second + second) | 0;
  }

  equals(other: Look): boolean {
    return this.#files === other.#files && this.#first === other.#first && this.#second === other.#second;
  }
}

const lookHash = createRecordHash(randomBytes(8));
