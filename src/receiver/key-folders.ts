import { plainMessage } from '../errors.ts';
import type { Name } from '../name.ts';
import type { AuthorizedKey, AuthorizedKeys } from './authorized-keys.ts';
import { openConfinedFolder } from './confined-folder.ts';

/** Which folders of `path=` cannot be served now: each is told once, and when it can be again. */
export class KeyFolders {
  readonly #root: Name;
  readonly #log: (level: 'result' | 'warning', message: string) => void;
  #problems: ReadonlyMap<string, string> = new Map();

  constructor(root: Name, log: (level: 'result' | 'warning', message: string) => void) {
    this.#root = root;
    this.#log = log;
  }

  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  look({ keys }: AuthorizedKeys): void {
    const folders = new Map(keys.map((key) => [key.folder.join('/'), key]));
    const before = this.#problems;
    this.#problems = new Map(
      [...folders].flatMap(([folder, key]) => {
        const problem = problemOf(this.#root, key);
        return problem === undefined ? [] : [[folder, problem] as const];
      }),
    );
    for (const [folder, problem] of this.#problems) if (!before.has(folder)) this.#log('warning', problem);
    for (const folder of before.keys())
      if (folders.has(folder) && !this.#problems.has(folder))
        this.#log('result', `path="${folder}" of the authorized keys is there: its key gets it from now on`);
  }
}

const problemOf = (root: Name, { folder, line }: AuthorizedKey): string | undefined => {
  if (folder.length === 0) return undefined;
  try {
    openConfinedFolder(root, folder)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    const what = `path="${folder.join('/')}" in line ${line} of the authorized keys cannot be opened below the root`;
    return `${what}: ${plainMessage(error)}; make the folder, the key gets nothing before`;
  }
};
