import { globSync, readFileSync } from 'node:fs';

export const ROOT = new URL('../..', import.meta.url).pathname;

/** A fenced block. */
export interface Block {
  /** "README.md:15" */
  readonly at: string;
  /** "sh"; '' where none is named. */
  readonly language: string;
  readonly text: string;
  /** `<!-- example -->` stands above it: it shows how something looks, and is not tried. */
  readonly isExample: boolean;
}

export interface Document {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** All but the blocks. */
  readonly prose: string;
  /** What stands in backticks in the prose. */
  readonly spans: readonly string[];
}

const FENCE = /^( *)```(\w*)\n([^]*?)^\1```$/gm;
const EXAMPLE = /<!-- example -->\n+$/;

/** Every document of the repository. */
export const readDocuments = (): Document[] =>
  globSync(['*.md', 'docs/**/*.md', 'templates/**/*.md'], { cwd: ROOT })
    .toSorted()
    .map((path) => {
      const text = readFileSync(`${ROOT}${path}`, 'utf8');
      const blocks = [...text.matchAll(FENCE)].map(({ index, 2: language = '', 3: content = '' }) => ({
        at: `${path}:${text.slice(0, index).split('\n').length}`,
        language,
        text: content,
        isExample: EXAMPLE.test(text.slice(0, index)),
      }));
      const prose = text.replaceAll(FENCE, '');
      return { path, text, blocks, prose, spans: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span) };
    });

/** The anchors of a document's headings, as GitHub makes them. */
export const anchorsOf = ({ prose }: Document): Set<string> => {
  const times = new Map<string, number>();
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-');
    times.set(anchor, (times.get(anchor) ?? 0) + 1);
  }
  const numbered = [...times].flatMap(([anchor, count]) =>
    Array.from({ length: count }, (_, index) => (index === 0 ? anchor : `${anchor}-${index}`)),
  );
  return new Set(numbered);
};

/** A use of isocket that a document names. */
export interface Call {
  /** undefined: none is named. */
  readonly command: string | undefined;
  readonly flags: readonly string[];
}

/** What stands before a command, and is none of its arguments. */
const BEFORE = new Set([undefined, 'sudo', '--', 'exec', 'nice', 'run', '-s', '$']);
const COMMON_WITH_VALUE = '--config';

/** The uses of isocket in a shell's text, or in a part of one. */
export const callsIn = (shell: string, isCommand: (word: string) => boolean): Call[] => {
  const lines = shell
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#\s.*/, ''));
  return lines.flatMap((line) =>
    line.split(/\\?\||;|&&|\$?\(|\)/).flatMap((segment) => callIn(segment.replaceAll(/[[\]]|…/g, ' '), isCommand)),
  );
};

const callIn = (segment: string, isCommand: (word: string) => boolean): Call[] => {
  const words = segment.split(/\s+/).filter((word) => word !== '');
  const calls = words.flatMap((word, index): Call[] => {
    if (!/^(?:\/\S*\/)?isocket$/.test(word)) return [];
    const rest = words.slice(index + 1);
    const flags = rest.filter((one) => /^--?[a-z0-9]/.test(one)).map((one) => one.replace(/=.*/, ''));
    const named = rest.filter((one, at) => !one.startsWith('-') && rest[at - 1] !== COMMON_WITH_VALUE)[0];
    const before = words[index - 1];
    const isUser = words[index - 2] === '-u' && words.slice(0, index).includes('sudo');
    const isCalled = (BEFORE.has(before) || isUser) && named !== 'isocket';
    const isWord = named !== undefined && /^[a-z]+$/.test(named);
    if (!isWord) return isCalled && /^--/.test(rest[0] ?? '') ? [{ command: undefined, flags }] : [];
    return isCalled || isCommand(named) ? [{ command: named, flags }] : [];
  });
  return calls.slice(-1);
};
