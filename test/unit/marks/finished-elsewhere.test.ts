import { expect, it } from 'vitest';
import { unnamedIn } from '../../../src/marks/finished-elsewhere.ts';
import { proofIn } from '../../../src/status/finished-proof.ts';

it.each([
  ['nothing', undefined, []],
  ['no object', 7, []],
  ['no destination', { destinations: [] }, []],
  ['one of them', { destinations: [{ label: 'a' }] }, ['b']],
  ['what is no destination', { destinations: [null, 7, 'a', {}] }, ['a', 'b']],
])('a proof that names %s', (_what, proof, lacks) => {
  expect(unnamedIn(proof, ['a', 'b'])).toEqual(lacks);
});

it.each([
  ['nothing, as the old tool’s', undefined],
  ['a list', [1]],
  ['null', null],
  ['what is no count', { files: -1, bytes: 1.5, skipped: 'x', excluded: null, closedBy: 'me' }],
])('status makes nothing of a proof that is %s', (_what, content) => {
  expect(proofIn(content)).toMatchObject({ files: null, bytes: null, skipped: 0, excluded: 0, closedBy: null });
});

it('status takes from a proof what it says', () => {
  const said = { files: 3, bytes: 30, skipped: 1, excluded: 2, closedBy: 'parser', destinations: [{ label: 'a' }] };
  expect(proofIn({ ...said, more: 1 })).toEqual(said);
});
