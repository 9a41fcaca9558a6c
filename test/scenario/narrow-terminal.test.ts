import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { onTerminal } from '../support/terminal.ts';

const COLUMNS = 40;

let folder: string;
let server: TestServer;
let site: TestSite;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-narrow-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
  for (const name of ['DC1', 'DC2', 'DC3']) {
    parser(site.root).writeFiles(name, 2);
    parser(site.root).closeDirectory(name);
  }
  expect((await site.scan()).exitCode).toBe(0);
  parser(site.root).writeFile('DC1/a name of some length that was never sent');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** TERM is "dumb" there: no line is redrawn. */
const screenOf = async (...args: readonly string[]): Promise<string[]> => {
  const isocket = [process.execPath, CLI, '--config', site.config, ...args];
  const narrow = ['sh', '-c', `stty cols ${COLUMNS}; exec "$@"`, 'sh', ...isocket];
  return (await onTerminal(narrow, { cwd: folder, home: folder, answers: [] })).screen.split('\n');
};

it.each([
  ['scan', '--dry-run', '--verbose'],
  ['scan'],
  ['status'],
  ['check'],
  ['verify'],
  ['prune', '--older-than', '0s'],
  ['restore', 'DC1', '--dry-run'],
  ['reset', 'DC9'],
])('at 40 columns %s breaks lines between words', async (...args) => {
  const lines = await screenOf(...args);
  expect(lines.join('').trim()).not.toBe('');
  expect(lines.filter((line) => line.length >= COLUMNS && line.trim().includes(' '))).toEqual([]);
});

it('JSON is not broken', async () => {
  const lines = (await screenOf('prune', '--older-than', '0s', '--json')).filter((line) => line !== '');
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toContain('kept');
});
