import { expect, it } from 'vitest';
import { decide, type FillFacts } from '../../../../src/maintain/fill/decide.ts';

const finished: FillFacts = {
  isFinished: true,
  isMarked: true,
  elsewhere: 'confirmed',
  isHere: false,
  writer: undefined,
};
const open: FillFacts = { ...finished, isFinished: false };

it.each<[string, FillFacts, unknown]>([
  ['confirmed elsewhere', finished, 'compare'],
  // Of a finished directory every file is asked for: the proof counts what was checked.
  ['recorded there too', { ...finished, isHere: true }, 'compare'],
  ['known by no record', { ...finished, elsewhere: 'unknown' }, 'ask'],
  [
    'changed since',
    { ...finished, elsewhere: 'changed' },
    { refusal: 'it changed since the other destinations confirmed it' },
  ],
  [
    'without a mark',
    { ...finished, isMarked: false },
    { refusal: 'it is not marked: it came, or was changed, after the directory was finished' },
  ],
  ['open for writing', { ...finished, writer: 7 }, { refusal: 'process 7 has it open for writing' }],
  ['sent, of an open directory', open, 'compare'],
  ['there already', { ...open, isHere: true }, 'pass'],
  ['unsent', { ...open, isMarked: false }, 'pass'],
  ['a claim, which a scan asks for', { ...open, elsewhere: 'unknown' }, 'pass'],
  ['to be sent again', { ...open, elsewhere: 'changed' }, 'pass'],
  ['being written', { ...open, writer: 7 }, 'pass'],
])('a file that is %s', (_what, facts, decision) => {
  expect(decide(facts)).toEqual(decision);
});
