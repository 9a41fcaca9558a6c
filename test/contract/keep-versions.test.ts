import { execa } from 'execa';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startReceiverProcess } from '../support/receiver-process.ts';
import { makeSite } from '../support/site.ts';

const PUTS = [
  { puts: 'plain puts', more: [] },
  { puts: 'atomic puts', more: ['--atomic-puts'] },
];

const inFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-versions-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(`${folder}/${name}`, 'utf8')]));

it.for(PUTS)('OpenSSH’s sftp replaces a file, and the old one stays beside ($puts)', ({ more }) =>
  inFolder(async (folder) => {
    await using server = await startReceiverProcess(folder, { args: ['--append-only', '--keep-versions', ...more] });
    const login = ['-P', `${server.port}`, '-i', server.identityFile, '-o', `UserKnownHostsFile=${server.knownHosts}`];
    const sftp = (input: string) => execa('sftp', ['-b', '-', ...login, 'root@127.0.0.1'], { input, reject: false });
    for (const content of ['first', 'second', 'third']) {
      writeFileSync(`${folder}/file`, content);
      const { exitCode, stderr } = await sftp(`put -p ${folder}/file file\n`);
      expect(exitCode, stderr).toBe(0);
    }
    for (const command of ['rm file', 'rm file.~1~', 'rename file.~1~ gone', 'chmod 600 file.~1~', 'reput file'])
      expect((await sftp(`lcd ${folder}\n${command}\n`)).exitCode, command).toBe(1);
    // It opens without TRUNC, as one that resumes.
    const scp = await execa('scp', [...login, `${folder}/file`, 'root@127.0.0.1:/file'], { reject: false });
    expect(scp.exitCode, scp.stderr).toBe(1);
    expect(server.said()).toContain('a file is replaced from its beginning (put), not in place, as scp does');
    expect(contents(server.folder)).toEqual({ file: 'third', 'file.~1~': 'first', 'file.~2~': 'second' });
    expect((await sftp('ls -1\n')).stdout).toContain('file.~2~');
  }),
);

it.for(PUTS)('isocket sends a changed file again, and minds no version ($puts)', ({ more }) =>
  inFolder(async (folder) => {
    await using server = await startReceiverProcess(folder, { args: ['--append-only', '--keep-versions', ...more] });
    const site = makeSite(folder, server, { more: { verify: 'checksum' } });
    const directory = `${site.root}/DC1`;
    mkdirSync(directory);
    const big = 'big'.repeat(100_000);
    writeFileSync(`${directory}/small`, 'first');
    writeFileSync(`${directory}/big`, big);
    expect((await site.run(['scan'])).exitCode).toBe(0);
    writeFileSync(`${directory}/small`, 'second');
    writeFileSync(`${directory}/big`, `${big}, changed`);
    writeFileSync(`${directory}/finished.parse`, '');
    mkdirSync(`${site.root}/DC2`);
    for (const args of [['scan'], ['verify', '--checksum'], ['scan']]) {
      const { exitCode, stderr, stdout } = await site.run(args);
      expect(exitCode, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
    }
    expect(contents(`${server.folder}/DC1`)).toEqual({
      small: 'second',
      'small.~1~': 'first',
      big: `${big}, changed`,
      'big.~1~': big,
    });
    const pruned = await site.run(['prune', '--older-than', '0s']);
    expect(pruned.exitCode, pruned.stderr).toBe(0);
    expect(readdirSync(site.root)).toEqual(['DC2']);
    const restored = await site.run(['restore', 'DC1', '--to', `${folder}/back`]);
    expect(restored.exitCode, restored.stderr).toBe(0);
    expect(contents(`${folder}/back/DC1`)).toMatchObject({ small: 'second', 'small.~1~': 'first' });
  }),
);
