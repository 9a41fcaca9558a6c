import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Random } from './producers.ts';

const DIGEST_BYTES = 32;
const OLD = new Date('2020-02-02T02:02:02Z');
const STEPS_A_TURN = 20;

/** A file that says itself whether it is whole: a digest, then what it is of. */
const content = (random: Random): Buffer => {
  const bytes = random.below(500) === 0 ? 300_000 : random.below(3000);
  const payload = Buffer.alloc(bytes, `${random.next()}`);
  return Buffer.concat([createHash('sha256').update(payload).digest(), payload]);
};

export const isWhole = (file: Buffer): boolean =>
  file.length >= DIGEST_BYTES &&
  createHash('sha256').update(file.subarray(DIGEST_BYTES)).digest().equals(file.subarray(0, DIGEST_BYTES));

export interface ManyFiles {
  readonly directories: number;
  readonly filesADirectory: number;
  readonly random: Random;
}

/** How often the producer did what makes it hard. */
export interface Done {
  files: number;
  rewritten: number;
  renamed: number;
  'folders renamed': number;
}

/**
 * A parser that writes directory after directory, and meanwhile writes files of the same directory over, renames files and folders,
 * sets times back and writes g+w. Four of five directories it closes; the others are closed by the next one.
 * @param pace is told every few steps how many files were made, and waited for
 */
export const produceMany = async (
  root: string,
  { directories, filesADirectory, random }: ManyFiles,
  pace: (files: number) => Promise<unknown>,
): Promise<Done> => {
  const done: Done = { files: 0, rewritten: 0, renamed: 0, 'folders renamed': 0 };
  for (let directory = 1; directory <= directories; directory += 1) {
    const producer = new DirectoryProducer(`${root}/DC${directory}`, random, done);
    let steps = 0;
    while (producer.made < filesADirectory) {
      producer.step();
      if ((steps += 1) % STEPS_A_TURN === 0) await pace(done.files);
    }
    if (random.below(5) > 0 || directory === directories) writeFileSync(`${root}/DC${directory}/finished.parse`, '');
  }
  return done;
};

class DirectoryProducer {
  made = 0;
  readonly #at: string;
  readonly #random: Random;
  readonly #done: Done;
  /** Below the directory. */
  readonly #files: string[] = [];
  #folder = 'sub-0';

  constructor(at: string, random: Random, done: Done) {
    this.#at = at;
    this.#random = random;
    this.#done = done;
    mkdirSync(at);
  }

  step(): void {
    const habit = this.#random.below(1000);
    if (habit < 50) this.#rewrite();
    else if (habit < 90) this.#rename();
    else if (habit < 92) this.#renameFolder();
    else this.#write();
  }

  #write(): void {
    this.made += 1;
    this.#done.files += 1;
    const path = `${this.#random.below(4) === 0 ? `${this.#folder}/` : ''}f${this.made}`;
    const file = `${this.#at}/${path}`;
    mkdirSync(dirname(file), { recursive: true });
    if (this.#random.below(5) === 0) {
      writeFileSync(`${this.#at}/.producing`, content(this.#random));
      renameSync(`${this.#at}/.producing`, file);
    } else writeFileSync(file, content(this.#random));
    if (this.#random.below(20) === 0) utimesSync(file, OLD, OLD);
    if (this.#random.below(20) === 0) chmodSync(file, 0o664);
    this.#files.push(path);
  }

  #rewrite(): void {
    const file = this.#some();
    if (file === undefined) return;
    this.#done.rewritten += 1;
    writeFileSync(file.path, content(this.#random));
    if (this.#random.below(4) === 0) utimesSync(file.path, OLD, OLD);
  }

  #rename(): void {
    const file = this.#some();
    if (file === undefined) return;
    this.#done.renamed += 1;
    const name = `r${this.#done.renamed}`;
    const from = this.#files[file.index] ?? '';
    this.#files[file.index] = from.includes('/') ? `${dirname(from)}/${name}` : name;
    renameSync(file.path, `${this.#at}/${this.#files[file.index]}`);
  }

  #renameFolder(): void {
    if (!existsSync(`${this.#at}/${this.#folder}`)) return;
    this.#done['folders renamed'] += 1;
    const next = `sub-${this.#done['folders renamed']}`;
    renameSync(`${this.#at}/${this.#folder}`, `${this.#at}/${next}`);
    for (const [index, path] of this.#files.entries())
      if (path.startsWith(`${this.#folder}/`)) this.#files[index] = next + path.slice(this.#folder.length);
    this.#folder = next;
  }

  #some(): { readonly index: number; readonly path: string } | undefined {
    if (this.#files.length === 0) return undefined;
    const index = this.#random.below(this.#files.length);
    return { index, path: `${this.#at}/${this.#files[index]}` };
  }
}
