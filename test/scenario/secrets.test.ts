import { execa } from 'execa';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { isFinished, parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const PASSPHRASE = 'correct-horse-battery';

// Node's cache of compiled code lies there, in a folder that the first user who comes owns: others would run what he wrote into it.
it('no code is read from the folder for temporary files, nor written there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-temporary-'));
  try {
    const { exitCode } = await execa(process.execPath, [CLI, '--version'], { env: { TMPDIR: folder }, reject: false });
    expect(exitCode).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('a passphrase is in no process list, no log and no --json, right or wrong', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-secrets-'));
  try {
    await using server = await startSshd(folder);
    await execa('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', server.identityFile]);
    writeFileSync(`${folder}/passphrase`, `${PASSPHRASE}\n`, { mode: 0o600 });
    const site = makeSite(folder, server, { destination: { passphraseFile: `${folder}/passphrase` } });
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 50);
    closeDirectory('DC1');
    let [samples, isOver] = [0, false];
    const seen: string[] = [];
    const sampling = (async () => {
      while (!isOver) {
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
          try {
            if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(PASSPHRASE)) seen.push(pid);
          } catch {
            // It has ended.
          }
        }
        samples += 1;
        await delay(5);
      }
    })();
    const runs = [
      await site.run(['scan', '--json', '--verbose']),
      await site.run(['verify', '--checksum', '--verbose']),
    ];
    expect(isFinished(site.root, 'DC1')).toBe(true);
    writeFileSync(`${folder}/passphrase`, `${PASSPHRASE}-not\n`);
    runs.push(await site.run(['verify', '--json']), await site.run(['verify', '--verbose']));
    isOver = true;
    await sampling;
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 3, 3]);
    for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toContain(PASSPHRASE);
    expect(seen).toEqual([]);
    expect(samples).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
