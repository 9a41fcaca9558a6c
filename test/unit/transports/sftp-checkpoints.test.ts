import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OutgoingFile } from '../../../src/transport.ts';
import { Checkpoints } from '../../../src/transports/sftp/checkpoints.ts';
import type { Range } from '../../../src/transports/sftp/ranges.ts';
import { createTemporaryNames } from '../../../src/transports/sftp/temporary-names.ts';

const identity = { dev: 1n, ino: 2n, size: 20_000_000n, mtimeNs: 3_000_000_000n, ctimeNs: 4_000_000_001n };

const fileOf = (name: string, changed: Partial<typeof identity> = {}): OutgoingFile => ({
  sourcePath: `/datas/${name}`,
  targetPath: name,
  mode: 0o640,
  identity: { ...identity, ...changed },
});

const upTo = (end: number): readonly Range[] => [{ start: 0, end }];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-checkpoints-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Checkpoints as a run of its own has them. */
const run = (): Checkpoints => new Checkpoints(`${folder}/checkpoints`, createTemporaryNames('01234567'));
const noted = (): string[] => readdirSync(`${folder}/checkpoints`);

/** A run was killed when so much was on stable storage. */
const killedAt = (bytes: number, file: OutgoingFile): string => {
  const attempt = run().begin(file);
  attempt.save(upTo(bytes));
  return attempt.temporary;
};

describe('a checkpoint', () => {
  it('is continued by a later attempt, of the same run and of a later one', () => {
    const file = fileOf('DC1/big');
    const first = run();
    const attempt = first.begin(file);
    attempt.leave();
    const second = first.begin(file);
    expect(second.temporary).toBe(attempt.temporary);
    second.save(upTo(9));
    expect(run().begin(file)).toMatchObject({ temporary: attempt.temporary, known: upTo(9) });
  });

  it('is taken over by one run only, and the run that it was taken from does not publish', () => {
    const file = fileOf('DC1/big');
    const alive = run();
    const attempt = alive.begin(file);
    attempt.save(upTo(9));
    const [second, third] = [run(), run()];
    for (const one of [second, third]) one.begin(fileOf('DC1/other')); // Both know what is left.
    expect(() => attempt.checkOurs()).not.toThrow();
    const temporaries = [attempt, second.begin(file), third.begin(file)].map(({ temporary }) => temporary);
    expect(temporaries[1]).toBe(temporaries[0]);
    expect(temporaries[2]).not.toBe(temporaries[0]);
    expect(() => attempt.checkOurs()).toThrow('another isocket has taken over');
    expect(() => attempt.save(upTo(10))).toThrow('another isocket has taken over');
    attempt.leave();
    expect(alive.begin(file).temporary).not.toBe(attempt.temporary);
  });

  it('has every part that is known, the largest ones where there are many', () => {
    const file = fileOf('DC1/big');
    const parts = [
      { start: 0, end: 5 },
      { start: 7, end: 20 },
      { start: 100, end: 101 },
    ];
    run().begin(file).save(parts);
    const again = run().begin(file);
    expect(again.known).toEqual(parts);
    const many = Array.from({ length: 1000 }, (_, at) => ({ start: at * 10, end: at * 10 + (at % 100 === 0 ? 9 : 1) }));
    again.save(many);
    const { known } = run().begin(file);
    expect(known).toHaveLength(64);
    expect(known).toEqual(expect.arrayContaining(many.filter((_, at) => at % 100 === 0)));
    expect(known).toEqual(known.toSorted((a, b) => a.start - b.start));
  });

  it.each([
    ['of an older version', { bytes: 9 }, upTo(9)],
    ['of an older version, with nothing', { bytes: 0 }, []],
    [
      'with ranges out of order',
      {
        bytes: 9,
        ranges: [
          [5, 9],
          [0, 4],
        ],
      },
      undefined,
    ],
    ['with a range that is none', { bytes: 9, ranges: [[9, 9]] }, undefined],
    ['with text', { bytes: 9, ranges: [['0', 9]] }, undefined],
  ] as const)('%s is read, or is none', (_what, written, known) => {
    const file = fileOf('DC1/big');
    const temporary = killedAt(9, file);
    const [name = ''] = noted();
    writeFileSync(`${folder}/checkpoints/${name}`, JSON.stringify({ temporary, folder: 'DC1', ...written }));
    const attempt = run().begin(file);
    expect(attempt.known).toEqual(known ?? []);
    expect(attempt.temporary === temporary).toBe(known !== undefined);
  });

  it('can be read by an older version, which knows a part from the start', () => {
    run()
      .begin(fileOf('DC1/big'))
      .save([...upTo(9), { start: 11, end: 12 }]);
    const [name = ''] = noted();
    expect(JSON.parse(readFileSync(`${folder}/checkpoints/${name}`, 'utf8'))).toMatchObject({
      bytes: 9,
      folder: 'DC1',
    });
  });

  it('is not continued while its attempt goes on', () => {
    const file = fileOf('DC1/big');
    const checkpoints = run();
    const first = checkpoints.begin(file);
    first.save(upTo(9));
    expect(checkpoints.begin(file).temporary).not.toBe(first.temporary);
  });

  it.each([
    ['with its mtime set back', { ctimeNs: 5_000_000_001n }],
    ['in size', { size: 20_000_001n }],
    ['to another inode', { ino: 3n }],
  ])('is not continued with a file that changed %s', (_how, changed) => {
    const temporary = killedAt(9, fileOf('DC1/big'));
    const attempt = run().begin(fileOf('DC1/big', changed));
    expect(attempt.known).toEqual([]);
    expect(attempt.temporary).not.toBe(temporary);
  });

  it('is not believed unread on a clock of whole seconds', () => {
    const file = fileOf('DC1/big', { ctimeNs: 4_000_000_000n });
    const temporary = killedAt(9, file);
    expect(run().begin(file)).toMatchObject({ temporary, known: [] });
  });

  it('is removed when its file is sent, and when its folder is tidied', () => {
    const attempt = run().begin(fileOf('DC1/sent'));
    attempt.save(upTo(9));
    attempt.clear();
    expect(noted()).toEqual([]);
    killedAt(9, fileOf('DC1/sub/\udcff'));
    killedAt(9, fileOf('DC2/sub/a'));
    run().forget(['DC1', 'DC1/sub']);
    expect(noted()).toHaveLength(1);
    run().forget(['DC2/sub']);
    expect(noted()).toEqual([]);
  });

  it('is none where it is not whole, and not necessary where the state folder cannot be written', () => {
    killedAt(9, fileOf('DC1/big'));
    for (const name of noted()) writeFileSync(`${folder}/checkpoints/${name}`, '{"temporary":".iso');
    writeFileSync(`${folder}/checkpoints/key-id.new`, '');
    expect(run().begin(fileOf('DC1/big')).known).toEqual([]);
    expect(noted()).toEqual([]);

    rmSync(`${folder}/checkpoints`, { recursive: true });
    const checkpoints = run();
    const attempt = checkpoints.begin(fileOf('DC1/big'));
    writeFileSync(`${folder}/checkpoints`, 'not a folder');
    attempt.save(upTo(9));
    attempt.checkOurs();
    attempt.leave();
    expect(checkpoints.begin(fileOf('DC1/big')).known).toEqual([]);
    expect(existsSync(`${folder}/checkpoints`)).toBe(true);
  });
});
