import { execa } from 'execa';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatSha256Sums } from '../../../src/core/sha256sums.ts';
import { decodeName } from '../../../src/name.ts';

const SUM = 'a'.repeat(64);
const lines = (...paths: string[]): string =>
  formatSha256Sums(paths.map((path) => ({ path, sum: SUM }))).toString('latin1');

it('sorts by the bytes of the names', () => {
  expect(lines('b', 'a/z', '\u{1f600}', '\uffee', 'B')).toBe(
    ['B', 'a/z', 'b', '\uffee', '\u{1f600}']
      .map((name) => `${SUM}  ${Buffer.from(name).toString('latin1')}\n`)
      .join(''),
  );
});

it.each([
  ['back\\slash', `\\${SUM}  back\\\\slash\n`],
  ['new\nline', `\\${SUM}  new\\nline\n`],
  ['return\r', `\\${SUM}  return\\r\n`],
  ['-', `${SUM}  ./-\n`],
])('escapes %j as coreutils does', (name, line) => {
  expect(lines(name)).toBe(line);
});

it('is read by sha256sum -c, whatever the names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-sums-'));
  try {
    const names = [' lead', '-', '*x', '#x', 'a\\b', 'a\nb', 'a\rb', 'tab\t', '\\', "it's"].map((name) =>
      Buffer.from(name),
    );
    names.push(Buffer.from([0xff, 0x20, 0x80]), Buffer.from([0xc3, 0x0a, 0x28]));
    const files = names.map((bytes) => {
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), bytes]), bytes);
      return { path: decodeName(bytes), sum: createHash('sha256').update(bytes).digest('hex') };
    });
    writeFileSync(`${folder}/SHA256SUMS`, formatSha256Sums(files));
    const { stdout } = await execa('sha256sum', ['-c', 'SHA256SUMS'], { cwd: folder, encoding: 'latin1' });
    expect(stdout.split('\n').filter((line) => line.endsWith(': OK'))).toHaveLength(names.length);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
