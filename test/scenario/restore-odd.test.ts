import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeReadOnly } from '../support/break-folder.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

// What a destination may answer, and what may stand here: through a transport in this process’s file system.

const FIXTURE = new URL('../fixtures/folder-transport.mjs', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'isocket-restore-odd-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let sites = 0;

interface OddSite extends TestSite {
  /** Its destination. */
  readonly there: string;
}

/** @param members code of an object: members of the transport that differ, given the usual ones as `own` */
const newSite = (members = '{}', { more, source }: SiteOptions = {}): OddSite => {
  const name = `site-${(sites += 1)}`;
  const there = `${folder}/${name}-there`;
  mkdirSync(there);
  const none: TestServer = {
    ...{ kind: 'program', port: 1, path: there, folder: there, identityFile: '/none', knownHosts: '/none' },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const destination = { transport: './odd.mjs' };
  const site = makeSite(folder, none, { name, destination, ...(source && { source }), ...(more && { more }) });
  writeFileSync(
    `${folder}/${name}/odd.mjs`,
    `import example from ${JSON.stringify(FIXTURE.href)};
     export default {
       ...example,
       connect: (...all) => { const own = example.connect(...all); return { ...own, ...(${members}) }; },
     };\n`,
  );
  return { ...site, there };
};

const fill = (base: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(`${base}/${name}`.slice(0, `${base}/${name}`.lastIndexOf('/')), { recursive: true });
    writeFileSync(`${base}/${name}`, content);
    utimesSync(`${base}/${name}`, 1_600_000_000, 1_600_000_000);
  }
};

const phases = async (site: TestSite): Promise<string[]> => {
  const { directories } = JSON.parse((await site.run(['status', '--json'])).stdout) as {
    readonly directories: readonly { readonly name: string; readonly phase: string }[];
  };
  return directories.map(({ name, phase }) => `${name} ${phase}`).toSorted();
};

test('names that lead elsewhere are refused and told, and leave nothing anywhere', async () => {
  const odd = ['DC1/../../evil', 'DC1/..', 'DC1//x', 'DC1/./x', 'DC1/a\0b', '/etc/evil', 'DC9/x', 'DC1/'];
  const site = newSite(`{ listTree: async (folder, how, signal) => {
    await own.listTree(folder, how, signal);
    for (const path of ${JSON.stringify(odd)}) how.visit({ path, kind: 'file', size: 1, mtimeSeconds: 1 });
  } }`);
  fill(site.there, { 'DC1/good': 'x' });
  const to = `${folder}/${site.name}-to`;
  const result = await site.run(['restore', 'DC1', '--to', to, '--json']);
  expect(result.exitCode).toBe(3);
  expect(result.summary).toMatchObject({ restored: 1, failed: odd.length });
  expect(result.events.filter(({ type }) => type === 'failed')).toHaveLength(odd.length);
  expect(readdirSync(to, { recursive: true }).filter((name) => !String(name).startsWith('.isocket-'))).toEqual([
    'DC1',
    'DC1/good',
  ]);
  expect(existsSync(`${folder}/evil`) || existsSync('/etc/evil')).toBe(false);
  // Into the root it would pass for whole.
  const { exitCode, stderr } = await site.run(['restore', 'DC1']);
  expect([exitCode, existsSync(`${site.root}/DC1`)]).toEqual([3, false]);
  expect(stderr).toContain('DC1 is not put into');
  expect((await site.run(['list', 'DC1'])).stdout).toMatch(/^ +1 B {2}2020-09-13T12:26:40Z {2}good$/);
});

test('our markers and temporary files there stay there', async () => {
  const site = newSite();
  const left = [
    '.isocket-01234567-x.part',
    'sub/.isocket-01234567.part/y',
    'finished.watch',
    '.isocket-finished.watch',
  ];
  fill(`${site.there}/DC1`, { a: 'x', ...Object.fromEntries(left.map((name) => [name, '{}'])) });
  const to = `${folder}/${site.name}-to`;
  expect(await site.run(['restore', 'DC1', '--to', to])).toMatchObject({ exitCode: 0 });
  expect(readdirSync(`${to}/DC1`)).toEqual(['a', 'sub']); // A folder there is one here.
});

test('a file that changes while it is fetched is fetched again, and given up in the end', async () => {
  const changing = (times: number): string => `(() => { let left = ${times}; return {
    fetch: (files, { fetched, scratch }, signal) => own.fetch(files, { scratch, fetched: (file, end) =>
      fetched(file, file.targetPath.endsWith('odd') && left-- > 0 ? { ...end, mtimeSeconds: left } : end) }, signal) }; })()`;
  for (const [times, expected] of [
    [1, { restored: 2, failed: 0 }],
    [9, { restored: 1, failed: 1 }],
  ] as const) {
    const site = newSite(changing(times));
    fill(`${site.there}/DC1`, { odd: 'x', even: 'y' });
    const result = await site.run(['restore', 'DC1', '--to', `${folder}/${site.name}-to`, '--json']);
    expect(result.summary).toMatchObject(expected);
    expect(existsSync(`${folder}/${site.name}-to/DC1/odd`)).toBe(expected.failed === 0);
  }
});

test('a lost connection is tried again, and a big file goes on where it was cut, not from its start', async () => {
  const log = `${folder}/offsets`;
  const site = newSite(
    `(() => { let calls = 0; return { fetch: async (files, how, signal) => {
      const { appendFileSync, readFileSync } = await import('node:fs');
      const { TransportError } = await import(${JSON.stringify(new URL('../../src/transport.ts', import.meta.url).href)});
      const [big] = files;
      appendFileSync(${JSON.stringify(log)}, big.offset + '\\n');
      if ((calls += 1) > 2) return own.fetch(files, how, signal);
      const content = readFileSync(${JSON.stringify(folder)} + '/site-' + ${sites + 1} + '-there/' + big.targetPath);
      big.write(content.subarray(big.offset, big.offset + 1_500_000));
      throw new TransportError('network', 'the line is cut');
    } }; })()`,
  );
  fill(`${site.there}/DC1`, { big: Array.from({ length: 600_000 }, (_, index) => `line ${index}`).join('\n') });
  const result = await site.run(['restore', 'DC1', '--json']);
  expect(result).toMatchObject({ exitCode: 0 });
  expect(result.events.filter(({ type }) => type === 'connection')).toHaveLength(2);
  expect(readFileSync(log, 'utf8')).toBe('0\n1500000\n3000000\n');
  expect(differences(site.root, site.there)).toEqual([]);
});

test('SHA256SUMS: what was delivered comes back, what was damaged there does not', async () => {
  const site = newSite('{}', { more: { manifest: true } });
  fill(`${site.root}/DC1`, { a: 'one', b: 'two', 'finished.parse': '' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  rmSync(`${site.root}/DC1`, { recursive: true });
  const { mtimeMs } = statSync(`${site.there}/DC1/b`);
  writeFileSync(`${site.there}/DC1/b`, 'owt');
  utimesSync(`${site.there}/DC1/b`, mtimeMs / 1000, mtimeMs / 1000);
  const damaged = await site.run(['restore', 'DC1']);
  expect([damaged.exitCode, existsSync(`${site.root}/DC1`)]).toEqual([3, false]);
  expect(damaged.stderr).toContain('Did not restore "DC1/b": its content there is not the one that was delivered');
  writeFileSync(`${site.there}/DC1/b`, 'two');
  utimesSync(`${site.there}/DC1/b`, mtimeMs / 1000, mtimeMs / 1000);
  const whole = await site.run(['restore', 'DC1', '--json']);
  expect(whole.summary).toMatchObject({ restored: 1, equal: 1, failed: 0 });
  const proof = readFileSync(`${site.root}/DC1/finished.watch`, 'utf8');
  expect(JSON.parse(proof)).toMatchObject({ files: 2, verified: 'checksum' });
  expect(
    createHash('sha256')
      .update(readFileSync(`${site.root}/DC1/b`))
      .digest('hex'),
  ).toBe(createHash('sha256').update('two').digest('hex'));
  expect((await site.scan()).events.map(({ type }) => type)).toEqual(['config', 'started', 'found-all', 'summary']);
});

/** Gives the site a second one, and returns its folder. */
const twoDestinations = (site: OddSite): string => {
  const second = `${folder}/${site.name}-second`;
  mkdirSync(second);
  const destination = [site.there, second].map((path) => ({ transport: './odd.mjs', path }));
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  return second;
};

test('a second destination that lacks something gets it with the next scan; the newest directory stays the newest', async () => {
  const site = newSite();
  const second = twoDestinations(site);
  fill(`${site.root}/DC1`, { a: 'one', 'sub/b': 'two', 'finished.parse': '' });
  fill(`${site.root}/DC2`, { c: 'three' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  rmSync(`${site.root}/DC1`, { recursive: true });
  rmSync(`${second}/DC1/a`);
  const result = await site.run(['restore', 'DC1', '--from', '1']);
  expect(result).toMatchObject({ exitCode: 0 });
  expect(result.stderr).toContain(`DC1 is not all at folder:${second}: the next scan sends there what is missing`);
  expect(await phases(site)).toEqual(['DC1 closed', 'DC2 open']);
  expect((await site.scan()).summary).toMatchObject({ sent: 1, finished: 1, failed: 0 });
  expect(await phases(site)).toEqual(['DC1 finished', 'DC2 open']);
  expect(differences(site.root, second)).toEqual([]);
  expect((await site.run(['prune', '--older-than', '1d', '--json'])).summary).toMatchObject({ pruned: 0, kept: 0 });
  expect((await site.run(['restore', 'DC1', '--from', 'nobody'])).stderr).toContain('there is no such destination');
  await site.run(['reset', 'DC1']);
  expect(await phases(site)).toEqual(['DC1 closed', 'DC2 open']);
});

test('a damaged copy does not come back to be sent over the good one, and what another destination alone has is named', async () => {
  const site = newSite();
  const second = twoDestinations(site);
  const files = { bigger: 'one', later: 'two', alone: 'three', same: 'four' };
  fill(`${site.root}/DC1`, { ...files, 'finished.parse': '' });
  fill(`${site.root}/DC2`, { c: 'five' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  writeFileSync(`${second}/DC1/bigger`, 'damaged');
  writeFileSync(`${second}/DC1/later`, 'TWO');
  rmSync(`${second}/DC1/alone`);
  const restore = (...more: string[]) => site.run(['restore', 'DC1', ...more]);
  const good = (): void => {
    for (const [name, content] of Object.entries(files))
      expect(readFileSync(`${site.there}/DC1/${name}`, 'utf8')).toBe(content);
  };
  // A directory that is gone, and one of which some files are.
  for (const lose of ['', '/bigger']) {
    if (lose === '') rmSync(`${site.root}/DC1`, { recursive: true });
    else for (const name of ['bigger', 'later']) rmSync(`${site.root}/DC1/${name}`);
    const { exitCode, stderr } = await restore('--from', '2');
    expect([exitCode, stderr]).toEqual([
      3,
      expect.stringMatching(/Did not restore "DC1\/bigger": it has 7 bytes there, and 3 at folder:.*-there; see which/),
    ]);
    expect(stderr).toMatch(/Did not restore "DC1\/later": it is of .* there, and of 2020-/);
    expect(stderr).toContain(`"DC1/alone" is at folder:${site.there}, and not at folder:${second}`);
    expect(existsSync(`${site.root}/DC1${lose}`)).toBe(false);
    expect(await site.scan()).toMatchObject({ exitCode: 0 });
    good();
    expect(await restore('--from', '1', '--overwrite')).toMatchObject({ exitCode: 0 });
    await site.run(['reset', 'DC1']);
    expect(await site.scan()).toMatchObject({ exitCode: 0 });
    good();
    if (lose === '') writeFileSync(`${second}/DC1/bigger`, 'damaged');
    if (lose === '') writeFileSync(`${second}/DC1/later`, 'TWO');
    if (lose === '') rmSync(`${second}/DC1/alone`);
  }
  expect(differences(site.root, second)).toEqual([]);
});

test('while another destination cannot be asked a directory comes back, and is finished when it can be', async () => {
  const site = newSite();
  const second = twoDestinations(site);
  fill(`${site.root}/DC1`, { a: 'one', 'finished.parse': '' });
  fill(`${site.root}/DC2`, { c: 'two' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  rmSync(`${site.root}/DC1`, { recursive: true });
  const plugin = readFileSync(`${folder}/${site.name}/odd.mjs`, 'utf8');
  const down = `(() => { const fail = () => Promise.reject(new TransportError('network', 'it is down')); return { listTree: fail, verify: fail }; })()`;
  writeFileSync(
    `${folder}/${site.name}/odd.mjs`,
    `import { TransportError } from ${JSON.stringify(new URL('../../src/errors.ts', import.meta.url).href)};\n${plugin.replace(
      '...({})',
      `...(own.label.includes('second') ? ${down} : {})`,
    )}`,
  );
  const { exitCode, stderr } = await site.run(['restore', 'DC1', '--from', '1']);
  expect([exitCode, stderr]).toEqual([
    0,
    expect.stringMatching(/-second cannot be asked for DC1: it is down. What comes back is not compared with it/),
  ]);
  expect(await phases(site)).toEqual(['DC1 closed', 'DC2 open']);
  writeFileSync(`${folder}/${site.name}/odd.mjs`, plugin);
  expect((await site.scan()).summary).toMatchObject({ sent: 0, finished: 1 });
  expect(differences(site.root, second)).toEqual([]);
});

test('a directory that was never complete at the destination comes back with a warning', async () => {
  const site = newSite('{}', { more: { announce: true, manifest: true } });
  fill(`${site.root}/DC1`, { a: 'one' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  rmSync(`${site.root}/DC1`, { recursive: true });
  const { exitCode, stderr } = await site.run(['restore', 'DC1']);
  expect([exitCode, stderr]).toEqual([
    0,
    expect.stringContaining(
      'DC1 may never have been complete: finished.parse and SHA256SUMS, which this site delivers',
    ),
  ]);
});

test('what was lost of a finished directory comes back into it, and it is finished again', async () => {
  const site = newSite();
  fill(`${site.root}/DC1`, { a: 'one', 'sub/b': 'two', 'finished.parse': '' });
  fill(`${site.root}/DC2`, { c: 'three' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  for (const round of [1, 2]) {
    rmSync(`${site.root}/DC1/sub`, { recursive: true });
    rmSync(`${site.root}/DC1/a`);
    if (round === 2) rmSync(`${site.root}/DC1`, { recursive: true });
    expect(await site.run(['restore', 'DC1'])).toMatchObject({ exitCode: 0 });
    expect(differences(site.root, site.there)).toEqual([]);
    expect(unmarked(`${site.root}/DC1`)).toEqual([]);
    expect((await site.scan()).events.map(({ type }) => type)).toEqual(['config', 'started', 'found-all', 'summary']);
    expect(await phases(site)).toEqual(['DC1 finished', 'DC2 open']);
  }
  // Once more into what was brought back: it does not become the newest.
  rmSync(`${site.root}/DC1/a`);
  expect(await site.run(['restore', 'DC1'])).toMatchObject({ exitCode: 0 });
  expect(await phases(site)).toEqual(['DC1 finished', 'DC2 open']);
});

test('a finished directory keeps the proof that it has, and the links in it count', async () => {
  const site = newSite();
  fill(`${site.root}/DC1`, { a: 'one', b: 'two', 'finished.parse': '' });
  symlinkSync('a', `${site.root}/DC1/link`);
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  const proof = (): string => readFileSync(`${site.root}/DC1/finished.watch`, 'utf8');
  const before = proof();
  expect(before).toContain('"skipped":1');
  expect(await site.run(['restore', 'DC1'])).toMatchObject({ exitCode: 0 });
  expect(proof()).toBe(before);
  rmSync(`${site.root}/DC1/b`);
  expect(await site.run(['restore', 'DC1'])).toMatchObject({ exitCode: 0 });
  expect(proof()).not.toBe(before);
  expect(proof()).toContain('"skipped":1');
});

test('a file that differs keeps the directory as it is, and is named; --overwrite takes the one there, and nothing is sent', async () => {
  const site = newSite();
  fill(`${site.root}/DC1`, { a: 'one', b: 'two', 'finished.parse': '' });
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  writeFileSync(`${site.root}/DC1/a`, 'changed here');
  const kept = await site.run(['restore', 'DC1']);
  expect(kept.exitCode).toBe(3);
  expect(kept.stderr).toContain('Did not restore "DC1/a": it has 12 bytes here, and 3 there; --overwrite replaces');
  expect(readFileSync(`${site.root}/DC1/a`, 'utf8')).toBe('changed here');
  expect(await site.run(['restore', 'DC1', '--overwrite'])).toMatchObject({ exitCode: 0 });
  expect((await site.scan()).summary).toMatchObject({ sent: 0, failed: 0 });
  expect(differences(site.root, site.there)).toEqual([]);
});

test('a folder there and a file here, and a file there and a folder here, each keep what is here; the rest comes', async () => {
  const site = newSite();
  const to = `${folder}/${site.name}-to`;
  fill(`${site.there}/DC1`, { 'one/a': 'x', two: 'y', three: 'z' });
  fill(`${to}/DC1`, { one: 'here', 'two/b': 'here' });
  for (const more of [[], ['--overwrite']]) {
    const result = await site.run(['restore', 'DC1', '--to', to, '--json', ...more]);
    expect(result.exitCode).toBe(3);
    expect(result.summary).toMatchObject({ failed: 0 });
    const named = result.events.flatMap((event) => (event.type === 'differs' ? [event.path] : []));
    expect(new Set(named)).toEqual(new Set(['DC1/one/a', 'DC1/two']));
    expect([readFileSync(`${to}/DC1/one`, 'utf8'), readFileSync(`${to}/DC1/three`, 'utf8')]).toEqual(['here', 'z']);
  }
});

test('what a cut restore has left in the root is no directory of the site, whatever its tag', async () => {
  const site = newSite('{}', { source: { tag: '', exclude: [] } });
  fill(site.root, { '.isocket-restore-0123456789abcdef.part/tree/a': 'x' });
  fill(`${site.root}/DC1`, { a: 'one', 'finished.parse': '' });
  expect((await site.scan()).summary).toMatchObject({ sent: 1, finished: 1, failed: 0 });
  expect(readdirSync(site.there)).toEqual(['DC1']);
});

test('beside a daemon: not into the root, but to another folder; and without any root', async () => {
  const site = newSite();
  fill(`${site.root}/DC1`, { a: 'one', 'finished.parse': '' });
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'finished');
  expect(await site.run(['restore', 'DC1'])).toMatchObject({ exitCode: 4 });
  expect(await site.run(['restore', 'DC1', '--to', `${folder}/${site.name}-to`])).toMatchObject({ exitCode: 0 });
  await daemon.stop();
  rmSync(site.root, { recursive: true });
  rmSync(site.state, { recursive: true });
  expect(await site.run(['list'])).toMatchObject({ exitCode: 0, stdout: 'DC1' });
  expect(await site.run(['restore', 'DC1', '--to', `${folder}/${site.name}-to-2`])).toMatchObject({ exitCode: 0 });
  expect(readFileSync(`${folder}/${site.name}-to-2/DC1/a`, 'utf8')).toBe('one');
});

test('what cannot be is refused in words', async () => {
  const site = newSite();
  fill(`${site.there}/DC1`, { a: 'x' });
  const refusal = async (...args: string[]): Promise<[number | undefined, string]> => {
    const { exitCode, stderr } = await site.run(['restore', ...args]);
    return [exitCode, stderr];
  };
  expect(await refusal('DC7')).toEqual([3, expect.stringContaining('Cannot restore DC7: nothing of it is at folder:')]);
  expect(readdirSync(site.root)).toEqual([]);
  expect(await refusal('../x')).toEqual([2, expect.stringContaining('it is not the name of a directory of the site')]);
  expect(await refusal('DC1/sub')).toEqual([2, expect.stringContaining('a whole one is brought back')]);
  expect(await refusal('other')).toEqual([2, expect.stringContaining('it is no directory of the site')]);
  expect(await refusal('DC1', '--to', `${site.root}/x`)).toEqual([
    2,
    expect.stringContaining('it lies in source.root'),
  ]);
  expect(await refusal('datas', '--to', `${folder}/${site.name}`)).toEqual([
    3,
    expect.stringContaining('source.root is there'),
  ]);
  const to = `${folder}/${site.name}-to`;
  mkdirSync(to);
  await using stack = new AsyncDisposableStack();
  stack.use(await makeReadOnly(to));
  expect(await refusal('DC1', '--to', to)).toEqual([
    3,
    expect.stringMatching(/Cannot restore ".*-to": operation not permitted/),
  ]);
});
