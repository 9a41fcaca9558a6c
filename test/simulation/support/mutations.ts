import { lstatSync } from 'node:fs';
import type * as Closing from '../../../src/core/closing.ts';
import type * as Identity from '../../../src/identity.ts';
import type * as Record from '../../../src/marks/record.ts';
import type * as RecordHash from '../../../src/marks/record-hash.ts';
import type * as Mark from '../../../src/marks/mark.ts';

/** A rule of the program that is broken, to see that the simulation notices. */
export const RULES = [
  'name',
  'ctime',
  'size',
  'destination',
  'claim',
  'un-mark first',
  'list after closing',
  'superseded confirm',
  'same file after reading',
] as const;
export type Rule = (typeof RULES)[number];

let broken: Rule | undefined;

export const breakRule = (rule: Rule | undefined): void => {
  broken = rule;
};

export const breakRecordHash = (real: typeof RecordHash): typeof RecordHash => ({
  ...real,
  createRecordHash: (key) => {
    const hash = real.createRecordHash(key);
    return {
      name: (path, destination) => hash.name(path, broken === 'destination' ? [0, 0] : destination),
      state: (state) =>
        hash.state({
          ...pickState(state),
          ...(broken === 'ctime' ? { ctimeNs: 0n } : {}),
          ...(broken === 'size' ? { size: 0n } : {}),
        }),
    };
  },
});

const pickState = ({ ino, size, mtimeNs, ctimeNs }: RecordHash.FileState): RecordHash.FileState => ({ ino, size, mtimeNs, ctimeNs });

export const breakRecord = (real: typeof Record): typeof Record => ({
  ...real,
  openDirectoryRecord: (...args) => {
    const record = real.openDirectoryRecord(...args);
    const { lookUp, add } = record;
    const states = new Set<string>();
    record.add = (path, state) => {
      states.add(JSON.stringify(pickState(state), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));
      add.call(record, path, state);
    };
    record.lookUp = (path, state) => {
      const known = lookUp.call(record, path, state);
      if (broken === 'claim' && known === 'unknown') return 'confirmed';
      const key = JSON.stringify(pickState(state), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
      return broken === 'name' && states.has(key) ? 'confirmed' : known;
    };
    return record;
  },
});

export const breakMark = (real: typeof Mark): typeof Mark => ({
  ...real,
  unmark: (root, path) => (broken === 'un-mark first' ? lstatSync(`${root}/${path}`, { bigint: true }) : real.unmark(root, path)),
});

export const breakIdentity = (real: typeof Identity): typeof Identity => ({
  ...real,
  isSameFile: (a, b) => broken === 'same file after reading' || real.isSameFile(a, b),
});

export const breakClosing = (real: typeof Closing): typeof Closing => ({
  ...real,
  nextStep: (facts, supersededMs) =>
    real.nextStep(
      {
        ...facts,
        ...(broken === 'list after closing' ? { listedAs: facts.closedBy } : {}),
        ...(broken === 'superseded confirm' ? { latest: true } : {}),
      },
      supersededMs,
    ),
});
