import { execa } from 'execa';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// What a busy source host pays, without a clock: a tenth more than what was reached. How often it reads and writes what goes over the
// connection is a matter of who is quicker.
const MOST = { statx: 5.5, openat: 2.2, close: 2.2, fchmod: 1.1, readlink: 0.1 } as const;
const [FEW, MANY] = [100, 1100];

it('a file of a backlog takes no more system calls than it did', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-system-calls-'));
  try {
    await using server = await startSshd(folder);
    const count = async (files: number): Promise<ReadonlyMap<string, number>> => {
      const site = makeSite(folder, server, { name: `site${files}` });
      mkdirSync(`${site.root}/DC1`);
      for (let file = 1; file <= files; file += 1) writeFileSync(`${site.root}/DC1/file-${file}`, Buffer.alloc(4096));
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      const counts = `${folder}/counts-${files}`;
      // Alone with its processes: it looks who writes, in all that there are.
      const alone = ['--pid', '--fork', '--mount-proc'];
      const traced = ['strace', '-f', '-c', '-U', 'name,calls', '-o', counts];
      const scan = [process.execPath, CLI, '--config', site.config, 'scan', '--json'];
      const { stdout } = await execa('unshare', [...alone, ...traced, ...scan]);
      expect(stdout).toContain(`"sent":${files}`);
      const rows = readFileSync(counts, 'utf8').matchAll(/^\s*(?<name>[a-z]\w*)\s+(?<calls>\d+)$/gm);
      return new Map([...rows].map(({ groups }) => [groups?.name ?? '', Number(groups?.calls)]));
    };
    const [few, many] = [await count(FEW), await count(MANY)];
    const each = Object.keys(MOST).map((name) => [name, ((many.get(name) ?? 0) - (few.get(name) ?? 0)) / (MANY - FEW)]);
    const most: Readonly<Record<string, number>> = MOST;
    expect(each.filter(([name = '', calls]) => Number(calls) > (most[name] ?? 0))).toEqual([]);
    console.log(each.map(([name, calls]) => `${name} ${Number(calls).toFixed(2)}`).join(', '));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
