import { expect, it } from 'vitest';
import { fillCommand, lackingIn } from '../../../src/marks/finished-elsewhere.ts';
import { proofIn } from '../../../src/status/finished-proof.ts';

it.each([
  ['nothing', undefined, []],
  ['no object', 7, []],
  ['no destination', { destinations: [] }, []],
  ['one of them', { destinations: [{ label: 'a' }] }, ['b']],
  ['what is no destination', { destinations: [null, 7, 'a', {}] }, ['a', 'b']],
])('a proof that names %s', (_what, proof, lacks) => {
  expect(lackingIn(proof, { site: 's', labels: ['a', 'b'] }).lacks).toEqual(lacks);
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
  const said = {
    files: 3,
    bytes: 30,
    skipped: 1,
    excluded: 2,
    closedBy: 'parser',
    site: 's',
    destinations: [{ label: 'a' }],
  };
  expect(proofIn({ ...said, more: 1 })).toEqual(said);
});

it('what another destination of the site has is filled; all else takes a reset', () => {
  const own = { site: 's', labels: ['a', 'b', 'c'] };
  const proof = (site: string, label: string): object => ({ site, destinations: [{ label }] });
  const command = (by: string, label: string): string =>
    fillCommand([{ name: 'DC1', ...lackingIn(proof(by, label), own) }]).replaceAll(/ --config \S+/g, '');
  expect(command('s', 'a')).toBe('isocket fill b DC1 && isocket fill c DC1');
  expect(command('s', 'old')).toBe('isocket reset DC1');
  expect(command('other', 'a')).toBe('isocket reset DC1');
});
