import { expect, it } from 'vitest';
import { looseForm, TwinNames } from '../../../src/delivery/twin-names.ts';

it.each([
  ['File', 'file'],
  ['sub/a', 'Sub/a'],
  ['caf\u00e9', 'cafe\u0301'],
  ['a.', 'a'],
  ['sub /a', 'sub/a'],
  ['ÄRGER', 'ärger'],
  ['\u03bb\u03bf\u03b3\u03bf\u03c2', '\u039b\u039f\u0393\u039f\u03a3'],
  ['\u03c2', '\u03c3'],
  ['stra\u00dfe', 'STRASSE'],
  ['\u1e9e', '\u00df'],
  ['\u017f', 's'],
  ['\ufb01le', 'file'],
  ['a\u00adb\u200d', 'ab'],
])('%j and %j may be one file', (one, other) => {
  expect(looseForm(one)).toBe(looseForm(other));
});

it.each([
  ['a', 'b'],
  ['.a', 'a'],
  ['sub/a', 'suba'],
  ['a.b', 'ab'],
])('%j and %j are two files', (one, other) => {
  expect(looseForm(one)).not.toBe(looseForm(other));
});

it('is its own loose form, whatever the letter', () => {
  const letters = Array.from({ length: 0x3000 }, (_, code) => `a${String.fromCodePoint(code)}b`);
  expect(letters.map(looseForm).filter((form) => looseForm(form) !== form)).toEqual([]);
});

it('finds two of ten thousand', () => {
  const twins = new TwinNames({ knows: () => false });
  for (let at = 0; at < 10_000; at += 1) twins.add(`folder/IMG_${at}.JPG`);
  expect(twins.areThere).toBe(false);
  twins.add('folder/img_77.jpg');
  expect(twins.areThere).toBe(true);
});

it.each([
  ['a name that is its own loose form comes first', ['a', 'A'], true],
  ['it comes last', ['A', 'a'], true],
  ['neither of two is', ['aB', 'Ab'], true],
  ['all are', ['a', 'b', 'c'], false],
  ['no two are alike', ['A', 'b', 'C'], false],
])('among names that the record knows: %s', (_, paths, areThere) => {
  const known = new Set(paths);
  const twins = new TwinNames({ knows: (path) => known.has(path) });
  for (const path of paths) twins.add(path);
  expect(twins.areThere).toBe(areThere);
});

it.each([
  [['a', 'A'], 'a'],
  [['A', 'a'], 'A'],
  [['a', 'A'], 'A'],
])('finds %j where the record knows %j alone: marks that are trusted', (paths, known) => {
  const twins = new TwinNames({ knows: (path) => path === known });
  for (const path of paths) twins.add(path);
  expect(twins.areThere).toBe(true);
});
