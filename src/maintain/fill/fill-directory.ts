import { FoundFiles } from '../../delivery/found-files.ts';
import { ownCommand } from '../../host/own-command.ts';
import { isMarked } from '../../marks/mark.ts';
import { cannotRead, pathIn } from '../../source/directory-failures.ts';
import type { Entry } from '../../source/scanner.ts';
import { Verification } from '../../verify/verification.ts';
import { decide } from './decide.ts';
import type { DirectoryFillOptions, FoundFile } from './directory-options.ts';
import { listEntries } from './entries.ts';
import { FillTally } from './fill-tally.ts';
import { finishFill } from './finish-fill.ts';
import { sendFound } from './send-found.ts';
import { Uploads } from './uploads.ts';

const OPEN_FILES_AGE_MS = 1000;

/**
 * Brings to one destination what the others have of one directory. No mark is changed; `finished.watch` names the destination when all of
 * a finished directory was checked there.
 */
export class DirectoryFill {
  readonly tally: FillTally;
  readonly #options: DirectoryFillOptions;
  readonly #isFinished: boolean;
  /** Asked for what no record proves. */
  #hasChanged = false;
  readonly #elsewhere: Verification<FoundFile>;
  readonly #here: Verification<FoundFile>;
  readonly #uploads: Uploads<FoundFile>;
  readonly #found: FoundFiles;
  /** What the others turned out to have. */
  #proven: FoundFile[] = [];
  #askedHere = 0;
  #askedElsewhere = 0;

  constructor(options: DirectoryFillOptions) {
    const { plan, site, to, others, slots, checksum, report } = options;
    const { config, signal } = site;
    const { name } = plan.directory;
    const tally = new FillTally(name, to.label, report);
    this.tally = tally;
    this.#options = options;
    this.#isFinished = plan.phase === 'finished';
    const how = {
      root: config.source.root,
      directory: name,
      checksum,
      uncheckable: (error: Error) => tally.fail(error),
      signal,
    };
    this.#elsewhere = new Verification({
      ...how,
      destinations: others,
      different: ({ detail }, { path }, destination) => {
        const hint = `to send it there again: ${ownCommand('verify', '--repair', name)}`;
        tally.refuse(path, `${destination} does not have it so: ${detail}`, hint);
      },
      equal: (file) => this.#proven.push(file),
    });
    this.#here = new Verification({
      ...how,
      destinations: [to],
      different: (_discrepancy, file) => this.#lacking(file),
      equal: (file) => this.#there(file),
    });
    this.#found = new FoundFiles(name, report);
    this.#uploads = new Uploads(slots, (file) => sendFound(file, options, tally));
  }

  /** Something was sent there, or the destination is named now. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /** @throws what is no matter of single files: a connection that fails, the disk, the signal's reason */
  async run(): Promise<void> {
    const { plan, to, dryRun, report, others } = this.#options;
    const { name, late = false, finishedAs } = plan.directory;
    if (this.#isFinished && others.length === 0) this.tally.refuse('', 'no other destination of the site has it');
    else if (late || finishedAs !== undefined) this.tally.refuse('', 'it was changed after it was finished');
    else if (others.length > 0) await this.#fill();
    if (this.tally.failed > 0 || dryRun) return;
    if (this.#options.isNamed && this.tally.sent === 0) return;
    if (this.#isFinished) {
      const asked = { here: this.#askedHere, elsewhere: this.#askedElsewhere };
      if (!(await finishFill(this.#options, this.tally, asked))) return;
    } else if (this.tally.sent === 0) return;
    this.#hasChanged = true;
    const { files, bytes, sent } = this.tally;
    const isFinished = this.#isFinished;
    report({ type: 'filled', directory: name, destination: to.label, files, bytes, sent, isFinished });
  }

  async #fill(): Promise<void> {
    try {
      await this.#compare();
    } finally {
      await Promise.allSettled([this.#elsewhere.end(), this.#here.end()]);
      await this.#uploads.settled();
    }
  }

  /** Lists the directory; what the destination turns out to lack is sent meanwhile. */
  async #compare(): Promise<void> {
    const { plan, site } = this.#options;
    for await (const entry of listEntries(plan.directory, site)) {
      await this.#visit(entry);
      await this.#takeProven();
      await this.#uploads.room();
    }
    await this.#elsewhere.end();
    await this.#takeProven();
    await this.#here.end();
    this.#found.flush();
    await this.#uploads.end();
  }

  async #visit(entry: Entry): Promise<void> {
    if (entry.kind === 'folder' || entry.kind === 'skipped') return;
    const { plan, site, here, elsewhere, checksum } = this.#options;
    const { path } = entry;
    if (entry.kind === 'unreadable') {
      this.tally.fail(cannotRead(pathIn(plan.directory.name, path), entry.error), path);
      return;
    }
    if (entry.kind === 'reserved' || site.isReserved(path)) {
      if (this.#isFinished) this.tally.refuse(path, 'its name is reserved for isocket');
      return;
    }
    const { stats } = entry;
    const decision = decide({
      isFinished: this.#isFinished,
      isMarked: isMarked(stats),
      elsewhere: elsewhere?.lookUp(path, stats) ?? 'unknown',
      isHere: !checksum && here.lookUp(path, stats) === 'confirmed',
      writer: site.openFiles(OPEN_FILES_AGE_MS).writerOf(stats),
    });
    const file = { path, size: stats.size, mtimeNs: stats.mtimeNs, stats };
    if (decision === 'compare') await this.#askHere(file);
    else if (decision === 'ask') {
      this.#askedElsewhere += 1;
      await this.#elsewhere.add(file);
    } else if (decision !== 'pass') this.tally.refuse(path, decision.refusal);
  }

  async #takeProven(): Promise<void> {
    for (const file of this.#proven.splice(0)) await this.#askHere(file);
  }

  /** It has another version, as the record knows: size and time alone would not tell the two apart. */
  #askHere(file: FoundFile): Promise<void> | undefined {
    if (this.#options.here.lookUp(file.path, file.stats) !== 'changed') return this.#here.add(file);
    this.#lacking(file);
    return undefined;
  }

  #there({ path, size, stats }: FoundFile): void {
    this.tally.count(size);
    this.#askedHere += 1;
    if (!this.#options.dryRun) this.#options.record.addClaimed(path, stats);
  }

  #lacking(file: FoundFile): void {
    const { plan, dryRun, report } = this.#options;
    if (!dryRun) {
      this.#found.add(file.stats);
      this.#uploads.add(file);
      return;
    }
    this.tally.countSent(file.size);
    const path = `${plan.directory.name}/${file.path}`;
    report({ type: 'planned', path, bytes: Number(file.size), phase: 'closed' });
  }
}
