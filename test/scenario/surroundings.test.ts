import { execa } from 'execa';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';

// What a process is given by whoever starts it: a user, a working directory, a terminal.

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-surroundings-'));
  chmodSync(folder, 0o755);
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const isWatching = (event: IsocketEvent): boolean => event.type === 'watching';

it('a user without an entry in passwd, without HOME: told what is missing, and no stack', async () => {
  const site = makeSite(folder, server, { more: { state: null }, destination: { user: undefined } });
  const nobody = ['--reuid=54321', '--regid=54321', '--clear-groups', 'env', '-u', 'HOME'];
  const command = [process.execPath, CLI, '--config', site.config];
  const args = [...nobody, ...command, 'scan'];
  const { exitCode, stderr } = await execa('setpriv', args, { reject: false });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr: expect.stringMatching(
      /Cannot choose a state folder: user 54321 has no home[\s\S]*name one with state/,
    ) as unknown,
  });
});

it('a working directory that is gone: inotifywait is found, and files are sent', async () => {
  const site = makeSite(folder, server);
  parser(site.root).writeFile('DC1/file');
  const leave = `mkdir ${folder}/gone && cd ${folder}/gone && rmdir ${folder}/gone && exec "$@"`;
  await using daemon = site.start(['--config', site.config, 'daemon'], { through: ['sh', '-c', leave, 'sh'] });
  expect(await daemon.event(isWatching)).toMatchObject({
    message: expect.stringContaining(': inotifywait ') as unknown,
  });
  await daemon.event((event) => event.type === 'sent' && event.path === 'DC1/file');
});

it('Ctrl-C, which a terminal sends to the whole group, tells of no program that ended', async () => {
  const site = makeSite(folder, server);
  parser(site.root).writeFile('DC1/file');
  await using daemon = site.start(['daemon'], { through: ['setsid'] });
  await daemon.event((event) => event.type === 'sent');
  // The group that the terminal signals has no program in it that would end before us, and be told of.
  expect((await execa('pgrep', ['-g', String(daemon.pid)])).stdout).toBe(String(daemon.pid));
  await execa('kill', ['-INT', '--', `-${daemon.pid}`]);
  expect(await daemon.ended).toBe(130);
  const warnings = daemon.events.filter((event) => event.type === 'note' && event.level === 'warning');
  expect({ warnings, stderr: daemon.stderr() }).toEqual({ warnings: [], stderr: '' });
});
