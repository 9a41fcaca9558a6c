import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { namedDirectories } from '../../../src/cli/commands/named-directories.ts';

it('what stands there as a link is told as scan tells it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-named-'));
  try {
    for (const name of ['root/DC1', 'elsewhere']) mkdirSync(`${folder}/${name}`, { recursive: true });
    symlinkSync(`${folder}/elsewhere`, `${folder}/root/DC2`);
    const source = { root: `${folder}/root`, tag: 'DC', newest: 'name', exclude: [] } as never;
    const name = (named: string): unknown => namedDirectories(source, [`${folder}/root/${named}`]);
    expect(name('DC1')).toMatchObject({ plans: [{}] });
    expect(() => name('DC2')).toThrow('is a symbolic link and is not followed');
    expect(() => name('DC3')).toThrow('it is not a directory of the site');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
