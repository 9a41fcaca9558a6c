import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isFinished, parser } from '../support/parser.ts';
import { expectTrue, makeProofSite, TRANSPORTS } from '../support/proof.ts';
import { write } from '../support/proof-cases.ts';
import type { TestServer } from '../support/server.ts';
import { mountSick } from '../support/sick-mount.ts';
import { startSshd } from '../support/sshd.ts';

// Two names here may be one file there.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-twins-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

it.each(
  TRANSPORTS.flatMap((transport) => [
    { transport, what: 'size', one: 'longer', other: 'short' },
    { transport, what: 'content alone', one: 'one', other: 'two' },
  ]),
)(
  'with $transport names that the destination holds for one are no proof: files that differ in $what',
  async ({ transport, one, other }) => {
    const base = mkdtempSync(join(folder, 'base-'));
    await using mount = await mountSick(`${base}/behind`, `${base}/mount`, 'caseless');
    const site = makeProofSite(folder, server, transport, { destination: { path: `${base}/mount/x` } });
    write(`${site.root}/DC1/File`, one);
    write(`${site.root}/DC1/file`, other);
    parser(site.root).closeDirectory('DC1');
    for (let scans = 0; scans < 3; scans += 1) {
      const { exitCode, warnings } = await site.scan();
      expect({ exitCode, isFinished: isFinished(site.root, 'DC1') }).toEqual({ exitCode: 3, isFinished: false });
      expect(warnings.join('\n')).toContain('the same name but for case');
    }
    renameSync(`${site.root}/DC1/File`, `${site.root}/DC1/other`);
    for (let scans = 0; scans < 2 && !isFinished(site.root, 'DC1'); scans += 1) await site.scan();
    expect(isFinished(site.root, 'DC1')).toBe(true);
    for (const [name, content] of Object.entries({ file: other, other: one }))
      expect(readFileSync(`${mount.behind}/x/dc1/${name}`, 'utf8')).toBe(content);
  },
);

it.each(TRANSPORTS)('with %s neither are they where the destination keeps what it read by name', async (transport) => {
  const base = mkdtempSync(join(folder, 'base-'));
  await using mount = await mountSick(`${base}/behind`, `${base}/mount`, 'caseless, cached');
  const site = makeProofSite(folder, server, transport, { destination: { path: `${base}/mount/x` } });
  write(`${site.root}/DC1/File`, 'one');
  write(`${site.root}/DC1/file`, 'two');
  parser(site.root).closeDirectory('DC1');
  const { exitCode, warnings } = await site.scan();
  expect({ exitCode, isFinished: isFinished(site.root, 'DC1') }).toEqual({ exitCode: 3, isFinished: false });
  expect(warnings.join('\n')).toContain('the same name but for case');
  expect(readdirSync(`${mount.behind}/x/dc1`)).toEqual(['file']);
});

it.each([
  ['the same size', 'one', 'two'],
  ['another size', 'longer', 'short'],
])('directories that differ in case, and their files too, are no proof: %s', async (_what, one, other) => {
  const base = mkdtempSync(join(folder, 'base-'));
  await using mount = await mountSick(`${base}/behind`, `${base}/mount`, 'caseless');
  const site = makeProofSite(folder, server, 'sftp', { destination: { path: `${base}/mount/x` } });
  write(`${site.root}/DCa/File`, one);
  write(`${site.root}/DCA/file`, other);
  for (const name of ['DCa', 'DCA']) parser(site.root).closeDirectory(name);
  const { exitCode, warnings } = await site.scan();
  expect(exitCode).toBe(3);
  expect(warnings.join('\n')).toContain('the same name but for case');
  expect(['DCa', 'DCA'].map((name) => isFinished(site.root, name))).toEqual([false, false]);
  expect(readdirSync(`${mount.behind}/x/dca`)).toEqual(['file']);
});

it.each(TRANSPORTS)('with %s directories that the destination holds for one are no proof', async (transport) => {
  const base = mkdtempSync(join(folder, 'base-'));
  await using mount = await mountSick(`${base}/behind`, `${base}/mount`, 'caseless');
  const site = makeProofSite(folder, server, transport, { destination: { path: `${base}/mount/x` } });
  for (const name of ['DCa', 'DCA']) {
    write(`${site.root}/${name}/file`, name);
    parser(site.root).closeDirectory(name);
  }
  const { exitCode, warnings } = await site.scan();
  expect(exitCode).toBe(3);
  expect(warnings.join('\n')).toContain('the same name but for case');
  expect(['DCa', 'DCA'].map((name) => isFinished(site.root, name))).toEqual([false, false]);
  expect(readdirSync(`${mount.behind}/x`)).toEqual(['dca']);
});

it.each(TRANSPORTS)(
  'with %s nothing is sent over a finished directory that has the same name there',
  async (transport) => {
    const base = mkdtempSync(join(folder, 'base-'));
    await using mount = await mountSick(`${base}/behind`, `${base}/mount`, 'caseless');
    const site = makeProofSite(folder, server, transport, { destination: { path: `${base}/mount/x` } });
    write(`${site.root}/DCa/file`, 'one');
    parser(site.root).closeDirectory('DCa');
    expect((await site.scan()).exitCode).toBe(0);
    write(`${site.root}/DCA/file`, 'another');
    for (const isClosed of [false, true]) {
      if (isClosed) parser(site.root).closeDirectory('DCA');
      const { exitCode, warnings } = await site.scan();
      expect({ exitCode, isFinished: isFinished(site.root, 'DCA') }).toEqual({ exitCode: 3, isFinished: false });
      expect(warnings.join('\n')).toContain('a destination takes it for DCa, which is finished');
    }
    expect(readFileSync(`${mount.behind}/x/dca/file`, 'utf8')).toBe('one');
    renameSync(`${site.root}/DCA`, `${site.root}/DCb`);
    expect((await site.scan()).exitCode).toBe(0);
    expect(readFileSync(`${mount.behind}/x/dcb/file`, 'utf8')).toBe('another');
  },
);

it.each(TRANSPORTS)('with %s twins of every kind are finished where names are exact', async (transport) => {
  const site = makeProofSite(mkdtempSync(join(folder, 'exact-')), server, transport);
  for (const name of ['DCa', 'DCA']) {
    for (const path of ['a', 'A', 'Sub/file', 'sub/file', 'file.']) write(`${site.root}/${name}/${path}`, name + path);
    parser(site.root).closeDirectory(name);
  }
  expect((await site.scan()).exitCode).toBe(0);
  for (const name of ['DCa', 'DCA']) expectTrue(site, name, [site.there]);
});
