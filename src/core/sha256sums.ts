import { decodeName, encodeName, type Name } from '../name.ts';

/** One file of a directory: its path below it, and the SHA-256 of its content in hexadecimal digits. */
export interface FileSum {
  readonly path: Name;
  readonly sum: string;
}

/**
 * The file that `sha256sum -c` of coreutils reads, sorted by the bytes of the names. Pure. A name with a backslash, a line feed or a
 * carriage return has them escaped, which a backslash at the beginning of its line says.
 */
export const formatSha256Sums = (files: readonly FileSum[]): Buffer =>
  Buffer.concat(
    files
      .map(({ path, sum }) => ({ sum, bytes: encodeName(path) }))
      .toSorted((a, b) => Buffer.compare(a.bytes, b.bytes))
      .flatMap(({ sum, bytes }) => lineOf(sum, bytes)),
  );

const END = Buffer.from('\n');
const MUST_BE_ESCAPED = /[\\\n\r]/;

const lineOf = (sum: string, name: Buffer): Buffer[] => {
  const text = name.toString('latin1');
  // "-" alone would be standard input.
  if (text === '-') return [Buffer.from(`${sum}  ./-`), END];
  if (!MUST_BE_ESCAPED.test(text)) return [Buffer.from(`${sum}  `), name, END];
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return [Buffer.from(`\\${sum}  ${escaped}`, 'latin1'), END];
};

/** What `formatSha256Sums` wrote, by path; undefined where it is not a whole file of sums. Pure. */
export const parseSha256Sums = (content: Buffer): ReadonlyMap<Name, string> | undefined => {
  const text = content.toString('latin1');
  if (text !== '' && !text.endsWith('\n')) return undefined;
  const sums = new Map<Name, string>();
  for (const line of text.split('\n').slice(0, -1)) {
    const [, escape, sum, shown] = /^(\\?)([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? [];
    if (sum === undefined || shown === undefined) return undefined;
    const name = escape === '' ? shown : shown.replace(/\\([nr\\])/g, (_, letter: string) => ESCAPED[letter] ?? letter);
    sums.set(decodeName(Buffer.from(name === './-' ? '-' : name, 'latin1')), sum);
  }
  return sums;
};

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', '\\': '\\' };
