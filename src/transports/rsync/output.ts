import { decodeName, type Name } from '../../name.ts';

const BACKSLASH = 0x5c;

/** rsync writes a non-printable byte as `\#ooo` (octal), and so a backslash that would look like the start of such an escape. */
export const unescapeName = (escaped: Buffer): Name => {
  if (!escaped.includes('\\#')) return decodeName(escaped);
  const bytes: number[] = [];
  for (let at = 0; at < escaped.length; at += 1) {
    const [, digits] =
      escaped[at] === BACKSLASH ? (/^\\#([0-3][0-7]{2})/.exec(escaped.toString('latin1', at, at + 5)) ?? []) : [];
    bytes.push(digits === undefined ? (escaped[at] ?? 0) : Number.parseInt(digits, 8));
    if (digits !== undefined) at += 4;
  }
  return decodeName(Buffer.from(bytes));
};

/** What a dry run reports of one file. */
export interface Comparison {
  readonly name: Name;
  readonly verdict: 'same' | 'missing' | 'size' | 'time' | 'content' | 'other';
}

/** Pure. A line of `--out-format=%i|%n`, such as `.f          |DC1/a`; undefined for any other line. */
export const comparisonOf = (line: Buffer): Comparison | undefined => {
  const item = line.toString('latin1', 0, 12);
  if (!/^[<>.ch*][fdLDS].{9}\|$/.test(item)) return undefined;
  const name = unescapeName(line.subarray(12));
  return { name, verdict: verdictOf(item) };
};

/** Pure. A line of a run that sends: the file that was sent whole, where the run then ends well; undefined for any other line. */
export const sentName = (line: Buffer): Name | undefined =>
  /^<f.{9}\|$/.test(line.toString('latin1', 0, 12)) ? unescapeName(line.subarray(12)) : undefined;

const verdictOf = (item: string): Comparison['verdict'] => {
  if (item[1] !== 'f') return 'other';
  if (/^..\+{9}/.test(item)) return 'missing';
  if (item[3] === 's') return 'size';
  if (item[2] === 'c') return 'content';
  if (item[4] === 't') return 'time';
  return /^\.f {9}/.test(item) ? 'same' : 'other';
};

/** Returns a function that takes chunks and calls `onLine` for each complete line, without its newline. */
export const createLineSplitter = (onLine: (line: Buffer) => void): ((chunk: Uint8Array) => void) => {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const all = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, start)) {
      onLine(all.subarray(start, end));
      start = end + 1;
    }
    rest = all.subarray(start);
  };
};
