import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isFinished, parser } from '../support/parser.ts';
import { makeSite, type Outcome, type TestSite } from '../support/site.ts';
import { differences } from '../support/trees.ts';

// One of two destinations takes what it is asked, and says nothing: what goes to the other one does not wait for that.

const fixture = (name: string): string => new URL(`../fixtures/${name}-transport.mjs`, import.meta.url).pathname;

let folder: string;
let site: TestSite;
let quick: string;
let gate: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-silent-destination-'));
  site = makeSite(folder, { port: 1, path: '/', identityFile: '/none', knownHosts: '/none' } as never);
  [quick, gate] = [`${folder}/quick`, `${folder}/gate`];
});
afterEach(() => rmSync(folder, { recursive: true }));

const sendTo = (...destination: readonly object[]): void => {
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly source: object };
  writeFileSync(site.config, JSON.stringify({ ...config, source: { ...config.source, tag: '' }, destination }));
};
const toQuick = (): object => ({ transport: fixture('folder'), path: quick });
const toBoth = (): void => sendTo(toQuick(), { transport: fixture('gated'), path: `${folder}/silent`, gate });

const fill = (name: string, count: number): void => {
  parser(site.root).writeFiles(name, count);
  parser(site.root).closeDirectory(name);
};
const at = (name: string): string[] => (existsSync(`${quick}/${name}`) ? readdirSync(`${quick}/${name}`) : []);
/** These are all at the quick destination, whatever the other one says; then it answers. */
const scanWhileSilent = async (names: readonly string[], count: number): Promise<Outcome> => {
  const scan = site.scan();
  try {
    await expect.poll(() => names.map((name) => at(name).length), { timeout: 15_000 }).toEqual(names.map(() => count));
    expect(names.some((name) => isFinished(site.root, name))).toBe(false);
  } finally {
    writeFileSync(gate, '');
  }
  return scan;
};
const warnings = ({ events }: Outcome): string[] =>
  events.flatMap((event) => (event.type === 'note' && event.level === 'warning' ? [event.message] : []));

it('one that is new: what was finished before it is told at the end', async () => {
  sendTo(toQuick());
  fill('DC1', 2);
  expect((await site.scan()).summary).toMatchObject({ finished: 1 });
  fill('DC2', 3);
  toBoth();
  const outcome = await scanWhileSilent(['DC2'], 3);
  expect([outcome.exitCode, outcome.summary]).toMatchObject([0, { sent: 3, finished: 1 }]);
  expect(warnings(outcome)).toEqual([expect.stringMatching(/^DC1 was finished before .*silent was a destination/)]);
});

it('marks that no record proves, in more directories than are worked on at once', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `DC${index + 1}`);
  for (const name of names) {
    fill(name, 3);
    chmodSync(`${site.root}/${name}/file-1`, 0o664);
  }
  toBoth();
  const outcome = await scanWhileSilent(names, 2);
  expect([outcome.exitCode, outcome.summary]).toMatchObject([0, { sent: 36, finished: 12 }]);
  for (const there of ['quick', 'silent']) expect(differences(site.root, `${folder}/${there}`)).toEqual([]);
});

it('a directory that a destination may take for one that is finished waits, and no other one does', async () => {
  writeFileSync(gate, '');
  toBoth();
  fill('DC1', 2);
  expect((await site.scan()).summary).toMatchObject({ finished: 1 });
  rmSync(gate);
  fill('dc1', 2);
  fill('DC2', 3);
  const outcome = await scanWhileSilent(['DC2'], 3);
  expect([outcome.exitCode, outcome.summary]).toMatchObject([0, { sent: 5, finished: 2 }]);
  expect(differences(site.root, quick)).toEqual([]);
});
