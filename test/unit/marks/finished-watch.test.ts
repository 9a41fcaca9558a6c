import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { addToFinishedWatch, writeFinishedWatch } from '../../../src/marks/finished-watch.ts';

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

it('a proof that names one more destination keeps all else, its age too; what is not ours stays as it is', () => {
  const { dev, ino } = lstatSync(`${root}/DC1`, { bigint: true });
  const directory = { name: 'DC1', dev, ino };
  const path = `${root}/DC1/finished.watch`;
  expect(() => addToFinishedWatch(root, directory, [])).toThrow('ENOENT');
  const proof = { site: 's', files: 2, destinations: [{ label: 'a', checked: 2 }], closedBy: 'parser' };
  writeFinishedWatch(root, directory, proof);
  utimesSync(path, 1_000_000, 1_000_000.25);
  writeFileSync(`${root}/DC1/.isocket-finished.watch`, 'what a crash left');
  addToFinishedWatch(root, directory, [{ label: 'b', checked: 2 }]);
  addToFinishedWatch(root, directory, [{ label: 'b', checked: 3 }]);
  const destinations = [...proof.destinations, { label: 'b', checked: 3 }];
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...proof, destinations });
  expect(lstatSync(path).mtimeMs).toBe(1_000_000_250);
  expect(readdirSync(`${root}/DC1`)).toEqual(['finished.watch']);
  writeFileSync(path, '');
  addToFinishedWatch(root, directory, [{ label: 'b', checked: 2 }]);
  expect(readFileSync(path, 'utf8')).toBe('');
});
