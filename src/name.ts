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
  for (const character of name) {
    const code = character.charCodeAt(0);
    const escaped = character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
    parts.push(escaped ? Buffer.from([code - ESCAPE]) : Buffer.from(character, 'utf8'));
  }
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

const PLAIN_WORD = /^[\w@%+=:,./][\w@%+=:,./-]*$/;

/** Name → one word of a command line that may be pasted into a shell, whoever chose the name: quoted where it needs it (bytes that cannot be shown: as bash has it). */
export const shellWord = (name: Name): string => {
  if (PLAIN_WORD.test(name)) return name;
  if (showName(name) === name.replaceAll('\\', '\\\\')) return `'${name.replaceAll("'", String.raw`'\''`)}'`;
  const octal = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`;
  const bytes = [...encodeName(name)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[\w@%+=:,./ -]/.test(character) ? character : octal(byte);
  });
  return `$'${bytes.join('')}'`;
};
