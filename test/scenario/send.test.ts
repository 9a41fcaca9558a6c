import { execa } from 'execa';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-send-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
const sent = (path: string) => (event: IsocketEvent) => event.type === 'sent' && event.path === path;

describe('isocket send -0 -', () => {
  it('sends each file as its name comes, while the pipe is open', async () => {
    const site = makeSite(folder, server);
    const { writeFile } = parser(site.root);
    await using send = site.start(['send', '-0', '-'], { stdin: 'pipe' });
    for (const name of ['a', 'b']) {
      writeFile(`DC1/${name}`);
      send.stdin?.write(`datas/DC1/${name}\0`);
      await send.event(sent(`DC1/${name}`));
      expect(unmarked(`${site.root}/DC1`)).toEqual([]);
    }
    writeFile('DC2/came-later'); // There was no such directory when it began. And no NUL after the last name.
    send.stdin?.end('datas/DC2/came-later');
    expect(await send.ended).toBe(0);
    expect(send.events.at(-1)).toMatchObject({ type: 'summary', sent: 3, bytes: 3000, failed: 0 });
    expect(differences(site.root, server.folder)).toEqual([]);
  });

  it('is the other end of isocket watch -0', async () => {
    const site = makeSite(folder, server, { source: { settle: '100ms' } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    const isocket = `"${process.execPath}" "${CLI}" --config "${site.config}"`;
    const pipe = execa({ shell: '/bin/sh', reject: false })`${isocket} watch -0 DC1 | ${isocket} send -0 -`;
    for (const name of ['a', 'b', 'a']) {
      writeFile(`DC1/${name}`);
      await expect.poll(() => unmarked(`${site.root}/DC1`), { timeout: 20_000 }).toEqual([]);
    }
    closeDirectory('DC1');
    const { exitCode, stderr } = await pipe;
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^\S+ info: sent 3 files, [^\n]*$/);
    expect(differences(site.root, server.folder)).toEqual([]);
  });

  it('sends a file that is named again and again while it changes, until it has the last of it', async () => {
    const site = makeSite(folder, server);
    const { makeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using send = site.start(['send', '-0', '-'], { stdin: 'pipe' });
    const file = openSync(`${site.root}/DC1/file`, 'w');
    for (let times = 1; times <= 500; times += 1) {
      writeSync(file, `line ${times}\n`);
      send.stdin?.write('datas/DC1/file\0./datas/DC1/file\0');
    }
    closeSync(file);
    send.stdin?.end('datas/DC1/file\0');
    expect(await send.ended).toBe(0);
    expect(send.events.at(-1)).toMatchObject({ type: 'summary', failed: 0 });
    expect(differences(site.root, server.folder)).toEqual([]);
    expect(unmarked(site.root)).toEqual([]);
  });

  it('ends while the pipe is open, when nothing more can be sent: exit 3', async () => {
    const site = makeSite(folder, server, { destination: { port: await freePort() } });
    parser(site.root).writeFile('DC1/file');
    await using send = site.start(['send', '-0', '-'], { stdin: 'pipe' });
    send.stdin?.write('datas/DC1/file\0');
    expect(await send.ended).toBe(3);
    expect(send.events.map(({ type }) => type)).toEqual(['config', 'connection', 'summary']);
    expect(send.events.at(-1)).toMatchObject({ sent: 0, failed: 1 });
  });

  it('ends while it waits for a name, on a signal', async () => {
    const site = makeSite(folder, server);
    parser(site.root).writeFile('DC1/file');
    await using send = site.start(['send', '-0', '-'], { stdin: 'pipe' });
    send.stdin?.write('datas/DC1/file\0');
    await send.event(sent('DC1/file'));
    expect(await send.stop()).toBe(143);
    expect(send.events.at(-1)).toMatchObject({ type: 'summary', sent: 1, failed: 0 });
  });

  it('says what is wrong with lines, and with what is no file of the site', async () => {
    const site = makeSite(folder, server);
    parser(site.root).writeFile('DC1/file');
    const lines = await site.run(['send', '-0', '-'], { input: Buffer.from('datas/DC1/file\n'.repeat(10_000)) });
    expect(lines.exitCode).toBe(2);
    expect(lines.stderr).toContain('end each name with NUL');
    const strange = await site.run(['send', '--json', '-0', '-'], {
      input: Buffer.from('datas/DC1/gone\0datas/none/file\0/etc/hosts\0datas/DC1/file'),
    });
    expect(strange.exitCode).toBe(3);
    const misspelt = await site.run(['send', 'nope', `${site.root}/DC1/nope`, '/etc/hosts']);
    expect(misspelt.stderr.match(/it is not there|carries the tag/g)).toEqual([
      'it is not there',
      'carries the tag',
      'it is not there', // Of a kind that was printed: told at the end.
    ]);
    expect(strange.summary).toMatchObject({ sent: 1, failed: 3 });
  });
});

it('isocket watch refuses what is no directory of the root', async () => {
  const site = makeSite(folder, server);
  parser(site.root).writeFile('DC1/sub/file');
  for (const strange of ['/etc', site.root, `${site.root}/DC1/sub`]) {
    const { exitCode, stderr } = await site.run(['watch', strange]);
    expect(exitCode, strange).toBe(2);
    expect(stderr).toContain(`it is no directory of the site's root, "${site.root}"`);
  }
});

it('isocket watch ends when nobody reads its names any more', async () => {
  const site = makeSite(folder, server);
  const { writeFile } = parser(site.root);
  writeFile('DC1/first');
  const isocket = [process.execPath, CLI, '--config', site.config, 'watch', 'DC1'];
  const watch = execa('sh', ['-c', '"$@"; echo $? >&2', 'sh', ...isocket], { reject: false });
  await new Promise((resolve) => watch.stdout.once('data', resolve));
  watch.stdout.destroy();
  writeFile('DC1/second');
  expect((await watch).stderr).toBe('0');
});
