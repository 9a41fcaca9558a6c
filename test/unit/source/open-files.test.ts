import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findOpenFiles, OpenFiles } from '../../../src/source/open-files.ts';

it('finds who has a file open for writing, and not who only reads it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-writers-'));
  for (const name of ['read', 'written', 'appended', 'both', 'closed']) writeFileSync(join(folder, name), '');
  const holds = '3<read 4>written 5>>appended 6<>both';
  const holder = spawn('sh', ['-c', `exec ${holds}; echo ready; read -r end`], { cwd: folder, stdio: 'pipe' });
  const ended = once(holder, 'exit');
  try {
    await once(holder.stdout, 'data');
    const writers = findOpenFiles();
    const writerOf = (name: string) => writers.writerOf(lstatSync(join(folder, name), { bigint: true }));
    expect([writerOf('written'), writerOf('appended'), writerOf('both')]).toEqual(Array(3).fill(holder.pid));
    expect([writerOf('read'), writerOf('closed')]).toEqual([undefined, undefined]);
  } finally {
    holder.stdin.end();
    await ended;
    rmSync(folder, { recursive: true });
  }
});

it('tells files of one inode number on two devices apart', () => {
  const writers = new OpenFiles();
  writers.add({ dev: 1n, ino: 7n }, 100);
  writers.add({ dev: 2n, ino: 7n }, 200);
  expect([1n, 2n, 3n].map((dev) => writers.writerOf({ dev, ino: 7n }))).toEqual([100, 200, undefined]);
});
