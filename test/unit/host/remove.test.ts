import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { removeIfPossible } from '../../../src/host/remove.ts';

it('removes a folder with all in it, and bears what the system refuses or what is not there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-remove-'));
  mkdirSync(`${folder}/sub`);
  writeFileSync(`${folder}/sub/file`, '');
  removeIfPossible(folder);
  expect(existsSync(folder)).toBe(false);
  removeIfPossible(folder);
  removeIfPossible('/proc/version');
  expect(existsSync('/proc/version')).toBe(true);
});
