import { appendFileSync, existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

describe('a site that sends to an append-only receiver', () => {
  let folder: string;
  let server: TestServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isocket-append-only-'));
    server = await startOwnReceiver(folder, { appendOnly: true });
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const inodes = (): string[] =>
    readdirSync(server.folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const { ino, mtimeMs, size } = lstatSync(`${server.folder}/${name}`);
        return `${name} ${ino} ${mtimeMs} ${size}`;
      });

  it('passes the check, arrives whole, and may be sent twice', async () => {
    const site = makeSite(folder, server, { more: { announce: true, send: { durable: true } } });
    const { writeFiles, writeFile, closeDirectory } = parser(site.root);
    for (const directory of ['DC1', 'DC2']) {
      writeFiles(directory, 20);
      writeFile(`${directory}/sub/big`, 5_000_000);
      closeDirectory(directory);
    }
    const check = await site.run(['check']);
    expect(check.exitCode, check.stdout + check.stderr).toBe(0);
    expect(check.stdout).not.toContain('warning  clean up');
    expect(readdirSync(server.folder)).toEqual([]);
    const first = await site.scan();
    expect(first.exitCode, first.stderr).toBe(0);
    const before = inodes();
    rmSync(site.state, { recursive: true });
    expect((await site.run(['reset', 'DC1', 'DC2'])).exitCode).toBe(0);
    const second = await site.scan();
    expect(second.exitCode, second.stderr).toBe(0);
    expect(second.summary?.sent).toBe(42);
    for (const directory of ['DC1', 'DC2']) {
      expect(differences(`${site.root}/${directory}`, `${server.folder}/${directory}`)).toEqual([]);
      expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
      expect(isFinished(site.root, directory)).toBe(true);
    }
    // Temporary files change the times of their folders, but not of other files.
    const files = (lines: string[]) => lines.filter((line) => /file|big|finished/.test(line));
    expect(files(inodes())).toEqual(files(before));
  });

  it('holds a file that changed after it was sent, and reports why', async () => {
    const site = makeSite(folder, server);
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 3);
    expect((await site.scan()).exitCode).toBe(0);
    closeDirectory('DC1');
    const before = readFileSync(`${server.folder}/DC1/file-1`);
    appendFileSync(`${site.root}/DC1/file-1`, 'x');
    const { exitCode, stdout } = await site.scan();
    expect(exitCode).toBe(3);
    expect(stdout).toContain('append-only: another file has this name');
    expect(unmarked(`${site.root}/DC1`)).toEqual(['file-1']);
    expect(isFinished(site.root, 'DC1')).toBe(false);
    expect(readFileSync(`${server.folder}/DC1/file-1`).equals(before)).toBe(true);
    expect(readdirSync(`${server.folder}/DC1`).sort()).toEqual(['file-1', 'file-2', 'file-3']);
  });

  it('resumes a file that was interrupted', async () => {
    const site = makeSite(folder, server, { more: { send: { durable: false, bandwidth: '20MB/s' } } });
    const { writeFile, closeDirectory } = parser(site.root);
    writeFile('DC1/big', 20_000_000);
    closeDirectory('DC1');
    const there = `${server.folder}/DC1`;
    await using scan = site.start(['scan']);
    const part = () => (existsSync(there) ? readdirSync(there).find((name) => name.endsWith('.part')) : undefined);
    const written = () => lstatSync(`${there}/${part() ?? ''}`).blocks * 512;
    while (part() === undefined || written() < 5_000_000) await delay(2);
    await scan.stop('SIGKILL');
    const begun = part();
    expect(begun).toBeDefined();
    const last = await site.scan();
    expect(last.exitCode, last.stderr).toBe(0);
    expect(differences(`${site.root}/DC1`, there)).toEqual([]);
    expect(part()).toBeUndefined();
  });
});
