import type { Destination } from './destination.ts';

const fs = process.getBuiltinModule('node:fs');
const MARKERS = new Set(['finished.parse', 'finished.watch', '.isocket-finished.watch']);

interface Proof {
  readonly path: string;
  readonly name: string;
  readonly inode: number;
  readonly files: ReadonlyMap<string, string>;
  readonly destinations: readonly Destination[];
  /** "A DC1/a": what isocket cannot know to be untrue. */
  readonly believed: ReadonlySet<string>;
}

/** What isocket is told and not bound to doubt. */
export interface Trust {
  readonly isTrusted: (path: string, destination: Destination) => boolean;
  /** `finished.watch` may count it as trusted. */
  readonly mayTrust: (path: string) => boolean;
}

interface Said {
  readonly trusted: number;
  readonly destinations: readonly { readonly label: string }[];
}

/** Every file of a directory, with its content. */
const readDirectory = (path: string, below = ''): [string, string][] =>
  fs
    .readdirSync(`${path}/${below}`, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): [string, string][] => {
      if (entry.isDirectory()) return readDirectory(path, `${below}${entry.name}/`);
      if (below === '' && MARKERS.has(entry.name)) return [];
      return [[below + entry.name, fs.readFileSync(`${path}/${below}${entry.name}`, 'latin1')]];
    });

/** Holds what `finished.watch` says against what is there. */
export class Oracle {
  readonly violations: string[];
  finishes = 0;
  readonly #proofs = new Map<string, Proof>();
  readonly #destinations: ReadonlyMap<string, Destination>;
  readonly #trust: Trust;

  constructor(destinations: readonly Destination[], violations: string[], trust: Trust) {
    this.violations = violations;
    this.#trust = trust;
    this.#destinations = new Map(destinations.map((destination) => [destination.label, destination]));
  }

  half(path: string): void {
    this.violations.push(`${path} stands at a destination with content that it never had`);
  }

  /** `finished.watch` was written just now. */
  finished(path: string): void {
    this.finishes += 1;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const said = JSON.parse(fs.readFileSync(`${path}/finished.watch`, 'utf8')) as Said;
    const destinations = said.destinations.flatMap(({ label }) => this.#destinations.get(label) ?? []);
    const files = new Map(readDirectory(path));
    const believed = new Set<string>();
    for (const destination of destinations) {
      const trusted = [...files.keys()].filter((file) => this.#trust.isTrusted(`${name}/${file}`, destination));
      for (const file of trusted) believed.add(`${destination.label} ${name}/${file}`);
      for (const file of files.keys())
        if (destination.liar.isBelieved(`${name}/${file}`)) believed.add(`${destination.label} ${name}/${file}`);
    }
    const proof = { path, name, inode: fs.lstatSync(path).ino, files, destinations, believed };
    const trustable = [...files.keys()].filter((file) => this.#trust.mayTrust(`${name}/${file}`));
    if (said.trusted > trustable.length)
      this.violations.push(
        `${name}/finished.watch trusts ${said.trusted} marks; the record knows nothing of ${trustable.length}`,
      );
    if (files.size > said.trusted && destinations.length === 0)
      this.violations.push(`${name}/finished.watch names no destination for ${files.size} files`);
    this.#check(proof, 'as it was finished');
    this.#proofs.set(path, proof);
  }

  /** The parser moved or removed it. */
  forget(path: string): void {
    this.#proofs.delete(path);
  }

  /** What was finished must stay true for as long as the parser leaves it alone. */
  checkAgain(): void {
    for (const [path, proof] of this.#proofs) {
      const isSame = fs.lstatSync(path, { throwIfNoEntry: false })?.ino === proof.inode;
      const now = isSame ? readDirectory(path) : [];
      if (now.length === proof.files.size && now.every(([file, content]) => proof.files.get(file) === content))
        this.#check(proof, 'after a later pass');
      else this.#proofs.delete(path);
    }
  }

  #check({ name, files, destinations, believed }: Proof, when: string): void {
    for (const { label, files: delivered } of destinations) {
      for (const [file, content] of files) {
        const there = delivered.get(`${name}/${file}`)?.content.toString('latin1');
        if (there === content || believed.has(`${label} ${name}/${file}`)) continue;
        this.violations.push(
          `${name} ${when}: ${label} ${there === undefined ? 'lacks' : 'has other content of'} ${name}/${file}`,
        );
      }
    }
  }
}
