import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFinishedWatch } from '../../../src/marks/finished-watch.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'isocket-finished-'));
  mkdirSync(`${root}/DC1`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('a directory that is renamed while its proof is written carries none along', () => {
  const { dev, ino } = lstatSync(`${root}/DC1`, { bigint: true });
  const proof = {
    toJSON: () => {
      renameSync(`${root}/DC1`, `${root}/DC2`);
      return {};
    },
  };
  expect(() => writeFinishedWatch(root, { name: 'DC1', dev, ino }, proof)).toThrow('it was replaced');
  expect(existsSync(`${root}/DC2/finished.watch`)).toBe(false);
});
