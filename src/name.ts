import { isUtf8 } from 'node:buffer';

/**
 * A file name, or a path of names joined by "/", that may hold any byte but NUL.
 *
 * Bytes that are not valid UTF-8 become lone surrogates U+DC80–U+DCFF, as in Python's "surrogateescape" (PEP 383):
 * an ordinary name is an ordinary string, and every name on the disk round-trips byte for byte.
 */
export type Name = string;

const ESCAPE = 0xdc00;

/** Bytes from the disk or the wire → name. */
export const decodeName = (bytes: Buffer): Name => {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let name = '';
  for (let at = 0; at < bytes.length;) {
    const length = validSequenceLength(bytes, at);
    name += length > 0 ? bytes.toString('utf8', at, at + length) : String.fromCharCode(ESCAPE + (bytes[at] ?? 0));
    at += Math.max(length, 1);
  }
  return name;
};

const validSequenceLength = (bytes: Buffer, at: number): number => {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
};

/** Name → the bytes that `decodeName` read it from. */
export const encodeName = (name: Name): Buffer => {
  if (name.isWellFormed()) return Buffer.from(name, 'utf8');
  const parts: Buffer[] = [];
  for (const character of name)
    parts.push(isStray(character) ? Buffer.from([character.charCodeAt(0) - ESCAPE]) : Buffer.from(character, 'utf8'));
  return Buffer.concat(parts);
};

/** Name → an argument for `node:fs`: the string itself, or the bytes where a string would lose some. */
export const fsPath = (name: Name): string | Buffer => (name.isWellFormed() ? name : encodeName(name));

/** Name → text that is safe on a terminal and in a log: control characters, invisible ones and stray bytes are written `\xNN` or `\u{N}`. */
export const showName = (name: Name): string =>
  name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '\\') return '\\\\';
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) return `\\x${(code - ESCAPE).toString(16)}`;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });

/** A sentence of ours, in which names are shown already: what a server or a command said in it begins no line and moves no cursor. */
export const showMessage = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, showName);

/** The same of several lines. */
export const showLines = (text: string): string => text.split('\n').map(showMessage).join('\n');

const PLAIN_WORD = /^[\w@%+=:,./][\w@%+=:,./-]*$/;

/** Name → one word of a command line that may be pasted into a shell, whoever chose the name: quoted where it needs it (bytes that cannot be shown: as bash has it). */
export const shellWord = (name: Name): string => {
  if (PLAIN_WORD.test(name)) return name;
  if (showName(name) === name.replaceAll('\\', '\\\\')) return `'${name.replaceAll("'", String.raw`'\''`)}'`;
  const octal = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`;
  const words = Array.from(name, (character) => {
    if (/[\w@%+=:,./ -]/.test(character)) return character;
    const code = character.charCodeAt(0);
    const bytes = isStray(character) ? [code - ESCAPE] : [...new TextEncoder().encode(character)];
    return bytes.map(octal).join('');
  });
  return `$'${words.join('')}'`;
};

/** Stands for a byte that is not part of a character. */
const isStray = (character: string): boolean => {
  const code = character.charCodeAt(0);
  return character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
};

const ENDS_IN_DOT_OR_BLANK = /[. ]+(?=\/|$)/g;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}+/gu;
const ASCII = /^[ -~]*$/;

/**
 * A path as the least exact file systems know it: without case (exFAT, NTFS, APFS, a casefold folder of ext4), in one form of Unicode
 * (HFS+), without characters that show nothing (casefold, HFS+), without dots and blanks at the end of a name (FAT). Two paths that are
 * equal so may be one file at a destination.
 */
export const looseForm = (path: Name): string =>
  (ASCII.test(path) ? path.toLowerCase() : foldCase(path)).replace(ENDS_IN_DOT_OR_BLANK, '');

/** Some take two small letters with one capital for one, a final sigma and another, and some "ß" and "ss": by way of the capitals. */
const foldCase = (path: Name): string =>
  path.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC').replace(IGNORABLE, '');
