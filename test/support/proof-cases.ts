import { chmodSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { exchange } from './proof.ts';

export const OLD = new Date('2020-02-02T02:02:02Z');

export const write = (path: string, content: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};

/** Of equal size, with equal times. */
const writePair = (one: string, other: string): void => {
  write(one, 'one of two');
  write(other, 'two of two');
  for (const path of [one, other]) utimesSync(path, OLD, OLD);
};

/** g+w, with a time that was kept from elsewhere. */
export const writeBornMarked = (path: string): void => {
  write(path, `born marked: ${path}`);
  utimesSync(path, OLD, OLD);
  chmodSync(path, 0o664);
};

export interface Renaming {
  readonly name: string;
  /** @param at the directory, not yet sent */
  readonly before: (at: string) => void;
  /** @param at the directory, of which everything is sent */
  readonly after: (at: string) => void | Promise<void>;
}

export const RENAMINGS: readonly Renaming[] = [
  {
    name: 'a folder is renamed',
    before: (at) => write(`${at}/x.tmp/a`, 'a'),
    after: (at) => renameSync(`${at}/x.tmp`, `${at}/x`),
  },
  {
    name: 'two folders exchange their names, step by step',
    before: (at) => writePair(`${at}/hour.0/a`, `${at}/hour.1/a`),
    after: (at) => {
      renameSync(`${at}/hour.0`, `${at}/hour.t`);
      renameSync(`${at}/hour.1`, `${at}/hour.0`);
      renameSync(`${at}/hour.t`, `${at}/hour.1`);
    },
  },
  {
    name: 'two folders are exchanged at once',
    before: (at) => writePair(`${at}/day.0/sub/a`, `${at}/day.1/sub/a`),
    after: (at) => exchange(`${at}/day.0`, `${at}/day.1`),
  },
  {
    name: 'two files are exchanged at once',
    before: (at) => writePair(`${at}/file.0`, `${at}/file.1`),
    after: (at) => exchange(`${at}/file.0`, `${at}/file.1`),
  },
  {
    name: 'folders are rotated',
    before: (at) => writePair(`${at}/log.0/a`, `${at}/log.1/a`),
    after: (at) => {
      renameSync(`${at}/log.1`, `${at}/log.2`);
      renameSync(`${at}/log.0`, `${at}/log.1`);
    },
  },
];

export const TOGETHER: Renaming = {
  name: 'all of these',
  before: (at) => {
    for (const { before } of RENAMINGS) before(at);
  },
  after: async (at) => {
    for (const { after } of RENAMINGS) await after(at);
  },
};

export interface Arrival {
  readonly name: string;
  /** @param at the directory that is to be */
  readonly before: (at: string) => void;
  readonly after: (at: string) => void;
}

export const ARRIVALS: readonly Arrival[] = [
  {
    name: 'a directory is moved in',
    before: (at) => writeBornMarked(`${dirname(at)}/elsewhere/sub/a`),
    after: (at) => renameSync(`${dirname(at)}/elsewhere`, at),
  },
  {
    name: 'a directory is renamed',
    before: (at) => writeBornMarked(`${at}.tmp/sub/a`),
    after: (at) => {
      rmSync(`${at}.tmp/finished.watch`, { force: true });
      renameSync(`${at}.tmp`, at);
    },
  },
  {
    name: 'a folder is moved into a directory',
    before: (at) => {
      writeBornMarked(`${dirname(at)}/staged/a`);
      mkdirSync(at);
    },
    after: (at) => renameSync(`${dirname(at)}/staged`, `${at}/sub`),
  },
  {
    name: 'the first scan of a umask-002 tree',
    before: (at) => {
      for (const path of ['a', 'b', 'sub/c']) writeBornMarked(`${at}/${path}`);
    },
    after: (at) => rmSync(`${at}/finished.watch`, { force: true }),
  },
];
