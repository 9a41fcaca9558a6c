import { stripVTControlCharacters } from 'node:util';

const INDENT = '  ';
/** In fewer columns there is a word a line, whatever one does. */
const LEAST_COLUMNS = 20;

/** Breaks lines that are longer than the terminal is wide between their words: it would break within them. Longer words stay whole. Pure. */
export const wrapLines = (text: string, columns: number): string =>
  columns < LEAST_COLUMNS ? text : text.replaceAll(/[^\n]+/g, (line) => wrapLine(line, columns));

/** The same where the stream is a terminal; what a program reads stays as it is. */
export const wrapFor = (stream: { readonly isTTY?: boolean; readonly columns?: number }, text: string): string =>
  stream.isTTY === true && stream.columns !== undefined ? wrapLines(text, stream.columns) : text;

const wrapLine = (line: string, columns: number): string => {
  if (line.length < columns) return line;
  let [wrapped, width] = ['', 0];
  for (const word of line.split(/(?<=\S)(?= +)/)) {
    const length = stripVTControlCharacters(word).length;
    if (width > 0 && width + length >= columns) {
      const next = word.trimStart();
      wrapped += `\n${INDENT}${next}`;
      width = INDENT.length + stripVTControlCharacters(next).length;
    } else {
      wrapped += word;
      width += length;
    }
  }
  return wrapped;
};
