import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plan, type DirectorySnapshot } from '../../../src/core/lifecycle.ts';

const directory = (name: string, more: Partial<DirectorySnapshot> = {}): DirectorySnapshot => ({
  name,
  dev: 1n,
  ino: 1n,
  birthNs: 1n,
  mtimeNs: 1n,
  finishedParse: false,
  finishedWatch: false,
  ...more,
});

const phases = (directories: DirectorySnapshot[], newest: 'birth' | 'name' | 'mtime' = 'birth') =>
  plan(directories, newest).map(
    (one) => `${one.directory.name} ${one.phase}${one.closedBy === null ? '' : ` by ${one.closedBy}`}`,
  );

const SECOND = 1_000_000_000n;

describe('plan: the table of contract.md §2', () => {
  const parse = { finishedParse: true };
  const watch = { finishedWatch: true };
  it.each<[string, DirectorySnapshot[], string[]]>([
    ['nothing', [], []],
    ['one without markers is the newest: open', [directory('DC1')], ['DC1 open']],
    ['finished.parse closes it, also the newest', [directory('DC1', parse)], ['DC1 closed by parser']],
    ['finished.watch ends it, also the newest', [directory('DC1', watch)], ['DC1 finished']],
    ['finished.watch rules over finished.parse', [directory('DC1', { ...parse, ...watch })], ['DC1 finished']],
    [
      'an older one without markers is superseded',
      [directory('DC1', { birthNs: 1n }), directory('DC2', { birthNs: 2n })],
      ['DC1 closed by superseded', 'DC2 open'],
    ],
    [
      'an open directory older than a finished one is closed, not open again',
      [directory('DC1', { birthNs: 1n }), directory('DC2', { birthNs: 2n, ...watch })],
      ['DC1 closed by superseded', 'DC2 finished'],
    ],
    [
      'an older one that the parser closed',
      [directory('DC1', { birthNs: 1n, ...parse }), directory('DC2', { birthNs: 2n })],
      ['DC1 closed by parser', 'DC2 open'],
    ],
    [
      'equal births: natural order of names',
      [directory('DC10'), directory('DC9')],
      ['DC9 closed by superseded', 'DC10 open'],
    ],
    [
      'one that was brought back, with a marker from before its birth, is not the newest, whatever changed in it since',
      [
        directory('DC1', { birthNs: 9n * SECOND, mtimeNs: 9n * SECOND, markedNs: 3n * SECOND, ...watch }),
        directory('DC2', { birthNs: 5n * SECOND }),
      ],
      ['DC1 finished', 'DC2 open'],
    ],
    [
      'nor where it is only closed',
      [
        directory('DC1', { birthNs: 8n * SECOND, markedNs: 3n * SECOND, ...parse }),
        directory('DC2', { birthNs: 5n * SECOND }),
      ],
      ['DC1 closed by parser', 'DC2 open'],
    ],
    [
      'one whose marker seems older than itself by a tick of the clock is still the newest',
      [
        directory('DC2', { birthNs: 5n * SECOND, markedNs: 5n * SECOND - 10_000_000n, ...watch }),
        directory('DC1', { birthNs: 5n * SECOND - 1_000_000n }),
      ],
      ['DC1 closed by superseded', 'DC2 finished'],
    ],
    [
      'one directory without a birth time: names decide for all',
      [directory('DC10', { birthNs: 0n }), directory('DC2', { birthNs: 9n })],
      ['DC2 closed by superseded', 'DC10 open'],
    ],
  ])('%s', (_title, directories, expected) => {
    expect(phases(directories)).toEqual(expected);
    expect(phases(directories.toReversed())).toEqual(expected);
  });

  it('goes by name or mtime where it is told to', () => {
    const directories = [
      directory('DC10', { birthNs: 1n, mtimeNs: 1n }),
      directory('DC2', { birthNs: 2n, mtimeNs: 2n }),
    ];
    expect(phases(directories, 'name')).toEqual(['DC2 closed by superseded', 'DC10 open']);
    expect(phases(directories, 'mtime')).toEqual(['DC10 closed by superseded', 'DC2 open']);
  });

  it('has at most one open directory, and it is the last', () => {
    const anyDirectory = fc.record({
      name: fc.string({ minLength: 1 }),
      birthNs: fc.bigInt(0n, 5n),
      mtimeNs: fc.bigInt(0n, 5n),
      finishedParse: fc.boolean(),
      finishedWatch: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(anyDirectory, { selector: ({ name }) => name }),
        fc.constantFrom('birth' as const, 'name' as const, 'mtime' as const),
        (some, newest) => {
          const plans = plan(
            some.map((one) => directory(one.name, one)),
            newest,
          );
          expect(plans.slice(0, -1).filter(({ phase }) => phase === 'open')).toEqual([]);
          expect(plans.map((one) => one.directory.name).toSorted()).toEqual(some.map(({ name }) => name).toSorted());
          for (const one of plans) expect(one.phase === 'finished').toBe(one.directory.finishedWatch);
        },
      ),
    );
  });
});
