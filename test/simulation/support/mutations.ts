import { lstatSync } from 'node:fs';
import { below } from './random.ts';
import { createSchedule, createStep, type Schedule, type Settings, type StepKind } from './steps.ts';
import type * as Closing from '../../../src/core/closing.ts';
import type * as Lifecycle from '../../../src/core/lifecycle.ts';
import type * as Listing from '../../../src/delivery/listing.ts';
import type * as Identity from '../../../src/identity.ts';
import type * as Record from '../../../src/marks/record.ts';
import type * as RecordHash from '../../../src/marks/record-hash.ts';
import type * as Verification from '../../../src/verify/verification.ts';
import type { LocalFile } from '../../../src/verify/folder-check.ts';
import type * as Mark from '../../../src/marks/mark.ts';

/** A rule of the program that is broken, to see that the simulation notices. */
export const RULES = [
  'name',
  'ctime',
  'size',
  'destination',
  'claim',
  'un-mark first',
  'note before the mark',
  'list after closing',
  'superseded confirm',
  'same directory',
  'same file after reading',
  'verify before finishing',
  'compare content',
  'no trust in what the record refutes',
  'look before the record',
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

const pickState = ({ ino, size, mtimeNs, ctimeNs }: RecordHash.FileState): RecordHash.FileState => ({
  ino,
  size,
  mtimeNs,
  ctimeNs,
});

export const breakRecord = (real: typeof Record): typeof Record => ({
  ...real,
  openDirectoryRecord: (...args) => {
    const record = real.openDirectoryRecord(...args);
    const [lookUp, add, addFor] = [record.lookUp.bind(record), record.add.bind(record), record.addFor.bind(record)];
    record.addFor = (path, state, destination) => {
      if (broken !== 'note before the mark' || state.size >= 0n) addFor(path, state, destination);
    };
    const presume = record.presume.bind(record);
    record.presume = (path, state) => {
      if (broken === 'look before the record') add(path, state);
      else presume(path, state);
    };
    const states = new Set<string>();
    record.add = (path, state) => {
      states.add(
        JSON.stringify(pickState(state), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
      );
      add(path, state);
    };
    record.lookUp = (path, state) => {
      const known = lookUp(path, state);
      if (broken === 'claim' && known === 'unknown') return 'confirmed';
      if (broken === 'no trust in what the record refutes' && known === 'changed') return 'unknown';
      const key = JSON.stringify(pickState(state), (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      return broken === 'name' && states.has(key) ? 'confirmed' : known;
    };
    return record;
  },
});

export const breakMark = (real: typeof Mark): typeof Mark => ({
  ...real,
  unmark: (root, path) => {
    const stats =
      broken === 'un-mark first' ? lstatSync(`${root}/${path}`, { bigint: true, throwIfNoEntry: false }) : undefined;
    return stats === undefined ? real.unmark(root, path) : { before: stats, after: stats };
  },
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
        ...(broken === 'verify before finishing' ? { verified: true } : {}),
      },
      supersededMs,
    ),
});

export const breakLifecycle = (real: typeof Lifecycle): typeof Lifecycle => ({
  ...real,
  isSameDirectory: (now, before) => broken === 'same directory' || real.isSameDirectory(now, before),
});

// That finished.parse was made is seen by the folder's mtime as well.
export const breakListing = (real: typeof Listing): typeof Listing => ({
  ...real,
  isAsListed: (...args) => broken === 'list after closing' || broken === 'same directory' || real.isAsListed(...args),
});

export const breakVerification = (real: typeof Verification): typeof Verification => ({
  ...real,
  Verification: class<File extends LocalFile> extends real.Verification<File> {
    constructor(options: Verification.VerificationOptions<File>) {
      super(broken === 'compare content' ? { ...options, checksum: false } : options);
    }
  },
});

interface Focus {
  readonly settings: Partial<Settings>;
  /** After a directory with a file was made: steps, each with the most points before it. */
  readonly steps: readonly (readonly [kind: StepKind, most: number | 'pass', how?: number])[];
}

const PLAIN = { fineness: 'distinct', isDaemon: false, hasClaims: false, endsSuperseded: false } as const;

// `how` of "wait": 40 is 2.1 s, 48 is 27.5 s.
const FOCUSES: Partial<Record<Rule, Focus>> = {
  ctime: {
    settings: { fineness: 'distinct', isDaemon: false, hasClaims: false, endsSuperseded: false },
    steps: [
      ['wait', 0, 40],
      ['rewrite-keeping-times', 80],
      ['finish', 'pass'],
    ],
  },
  size: {
    settings: { fineness: 'jiffy', isDaemon: false, hasClaims: false, verify: 'off', endsSuperseded: false },
    steps: [
      ['wait', 0, 40],
      ['append-keeping-times', 80],
      ['finish', 'pass'],
    ],
  },
  'un-mark first': {
    settings: { fineness: 'distinct', isDaemon: false, hasClaims: false, isBornMarked: true, endsSuperseded: false },
    steps: [
      ['wait', 0, 40],
      ['crash', 80],
      ['rewrite-keeping-times', 'pass'],
      // A claim is asked only when the tick of its last change is over.
      ['wait', 0, 24],
      ['finish', 0],
    ],
  },
  'note before the mark': {
    settings: { fineness: 'distinct', isDaemon: false, hasClaims: false, endsSuperseded: false },
    steps: [
      ['wait', 0, 40],
      ['crash', 80],
      ['rewrite-keeping-times', 'pass'],
      ['wait', 0, 24],
      ['finish', 0],
    ],
  },
  'list after closing': {
    settings: { fineness: 'distinct', isDaemon: true, hasClaims: false, endsSuperseded: false },
    steps: [
      ['wait', 0, 40],
      ['wait', 'pass', 40],
      ['write', 60],
      ['finish', 0],
      ['lose-events', 0],
    ],
  },
  'superseded confirm': {
    settings: { fineness: 'distinct', isDaemon: true, hasClaims: false, endsSuperseded: true },
    steps: [
      ['make-directory', 0],
      ['wait', 0, 40],
      ['wait', 'pass', 48],
      ['write', 150],
      ['lose-events', 0],
      ['wait', 0, 40],
    ],
  },
  'same directory': {
    settings: PLAIN,
    steps: [
      ['make-directory', 0],
      ['wait', 0, 40],
      ['finish', 0],
      ['exchange-directories', 80],
      ['exchange-directories', 10],
    ],
  },
  'verify before finishing': {
    settings: { ...PLAIN, verify: 'sent', lies: [{ kind: 'not-stored', skips: 0 }] },
    steps: [
      ['wait', 0, 40],
      ['finish', 0],
    ],
  },
  'compare content': {
    settings: { ...PLAIN, verify: 'checksum', lies: [{ kind: 'other-content', skips: 0 }] },
    steps: [
      ['wait', 0, 40],
      ['finish', 0],
    ],
  },
  'look before the record': {
    settings: { ...PLAIN, isDaemon: true, verify: 'sent' },
    steps: [
      ['map', 0],
      ['store', 0],
      ['rewrite', 60],
      ['store', 80],
      ['restart', 'pass'],
      ['finish', 0],
    ],
  },
  'no trust in what the record refutes': {
    settings: { ...PLAIN, verify: 'off', trustsMarks: true },
    steps: [
      ['wait', 0, 40],
      ['rewrite', 'pass'],
      ['wait', 0, 40],
      ['finish', 0],
    ],
  },
};

/** A schedule in which that rule matters more often than in others. */
export const createFocusedSchedule = (rule: Rule, seed: number, random: () => number): Schedule => {
  const schedule = createSchedule(seed, random);
  const focus = FOCUSES[rule];
  if (focus === undefined) return schedule;
  const steps = focus.steps.map(([kind, most, how]) => {
    const step = createStep(kind, most === 'pass' ? most : below(random, most + 1), random);
    return how === undefined ? step : { ...step, how };
  });
  return {
    seed,
    settings: { ...schedule.settings, lies: [], trustsMarks: false, ...focus.settings },
    steps: [...schedule.steps.slice(0, 2), ...steps],
  };
};
