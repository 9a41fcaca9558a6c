import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { decodeName, showName, type Name } from '../transport.ts';
import type { Lack } from './lacks.ts';
import { expected, expectRejected } from './scope.ts';
import type { RegisterTest } from './register.ts';

/** Names that break code which treats them as shell words, options, lines, patterns or text. */
export const NAMES: readonly Name[] = [
  ...[
    ' ',
    'a b',
    ' lead and trail ',
    `it's "quoted"`,
    'new\nline',
    'carriage\rreturn',
    '-rf',
    '--delete',
    '資料',
    '$(touch x)',
    '`id`',
  ],
  ...[
    '${HOME}',
    '*',
    '?',
    '[a-z]',
    '{a,b}',
    'back\\slash',
    '\\#123',
    '\\',
    'tab\there',
    '#',
    ';',
    '~',
    ':',
    '::',
    'a:b',
    '@',
    '%',
    '%41',
    '!',
  ],
  ...['.hidden', '...', 'sender removed x', '+ x', '\u001b[31mred', '\u0001', 'e\u0301', '\u00e9', 'n'.repeat(255)],
  ...[
    [0xff, 0xfe, 0x20, 0x80],
    [0xc3, 0x28],
    [0xed, 0xb3, 0xbf],
  ].map((bytes) => decodeName(Buffer.from(bytes))),
];

/** Those that the destination can have. */
export const namesFor = (lacks: readonly Lack[]): readonly Name[] =>
  lacks.includes('bytes') ? NAMES.filter((name) => name.isWellFormed()) : NAMES;

export const registerNames = (test: RegisterTest, lacks: readonly Lack[]): void => {
  const names = namesFor(lacks);
  test(`names: ${names.length} that break code which does not treat them as bytes`, async (scope) => {
    const files = names.map((name) => scope.outgoing(name, Buffer.from(`content of ${showName(name)}`)));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    for (const name of names) scope.expectArrived(name);
    // Nothing else was made.
    const there = readdirSync(`${scope.target.folder}/DC1`, { encoding: 'buffer' }).map(decodeName);
    assert.deepEqual(there.toSorted(), [...names].toSorted());
    assert.deepEqual(await scope.transport.verify(files.map(expected), { checksum: false }, scope.signal), []);
  });

  test('names: of folders, too', async (scope) => {
    const folders = names.filter((name) => name.length < 200);
    const file = scope.outgoing('file', 10);
    const files = folders.map((folder) => ({ ...file, targetPath: `DC1/${folder}/${folder}/file` }));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    for (const folder of folders) assert.ok(scope.isThere(`${folder}/${folder}/file`), showName(folder));
  });

  if (!lacks.includes('bytes')) return;
  test('names: one that is not UTF-8 is a failed file, and makes nothing', async (scope) => {
    for (const name of NAMES.filter((one) => !one.isWellFormed())) {
      await expectRejected(scope.transport.send(scope.outgoing(name, 10), scope.signal), 'file');
      const [found] = await scope.transport.verify([expected(scope.describe(name))], { checksum: false }, scope.signal);
      assert.equal(found?.kind, 'missing');
    }
    assert.deepEqual(scope.everything(), []);
  });
};
