import type { Name } from '../../transport.ts';

/**
 * rclone's own form of a name ("standard encoding"): what a file system may not have in a name is a character that shows it, and those
 * characters themselves have a quote before them. Each backend makes of it what its store can have.
 */
const QUOTE = '\u201B';
const SYMBOL_FOR_NUL = 0x2400;
const SYMBOL_FOR_DEL = '\u2421';
const FULLWIDTH_DOT = '\uFF0E';

// eslint-disable-next-line no-control-regex -- They are what is replaced.
const TO_ENCODE = /[\u0001-\u001F\u007F\u2400-\u241F\u2421\u201B\uFF0F]/g;
const TO_DECODE = /\u201B?[\u2401-\u241F\u2421]|\u201B[\u2400\u201B\uFF0F]/g;

/** A path of names → what rclone takes for it. Only of well-formed strings. */
export const toRemotePath = (path: Name): string => path.split('/').map(encodeSegment).join('/');

/** What rclone lists → the path of names. */
export const fromRemotePath = (path: string): Name => path.split('/').map(decodeSegment).join('/');

const encodeSegment = (name: string): string => {
  if (/^\uFF0E{1,2}$/.test(name)) return name.replaceAll(FULLWIDTH_DOT, QUOTE + FULLWIDTH_DOT);
  return name.replace(TO_ENCODE, (character) => {
    const code = character.charCodeAt(0);
    if (code === 0x7f) return SYMBOL_FOR_DEL;
    return code < 0x20 ? String.fromCharCode(SYMBOL_FOR_NUL + code) : QUOTE + character;
  });
};

const decodeSegment = (name: string): string => {
  if (/^(?:\u201B\uFF0E){1,2}$/.test(name)) return name.replaceAll(QUOTE, '');
  return name.replace(TO_DECODE, (found) => {
    if (found.startsWith(QUOTE)) return found.slice(1);
    return found === SYMBOL_FOR_DEL ? '\u007F' : String.fromCharCode(found.charCodeAt(0) - SYMBOL_FOR_NUL);
  });
};
