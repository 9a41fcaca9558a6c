import { execa } from 'execa';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  reportFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const FILES = rounds(400, 2000);

let folder: string;
let server: TestServer;
const mounted: string[] = [];
const mount = async (path: string, size: string): Promise<void> => {
  mkdirSync(path, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  mounted.push(path);
};
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-disk-'));
  server = await startSshd(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  for (const path of mounted.splice(0)) await execa('umount', ['-l', path]);
  rmSync(folder, { recursive: true });
});
const fillSite = (site: TestSite, directory = 'DC1'): void => {
  for (let count = 1; count <= FILES; count += 1)
    produce(site.root, `${directory}/f${count}`, 2000 + ((count * 7919) % 9000));
  produce(site.root, `${directory}/sub/big`, 3_000_000);
  writeFileSync(`${site.root}/${directory}/finished.parse`, '');
};

it('the destination is full, and freed again', { timeout: 300_000 }, async () => {
  await mount(server.folder, `${FILES * 8}k`);
  writeFileSync(`${server.folder}/.ballast`, Buffer.alloc(FILES * 5000));
  const site = makeSite(folder, server);
  fillSite(site);
  const watch = watchFinalNames(server.folder);
  const full = await site.run(['scan', '--json']);
  expect(full.exitCode).toBe(3);
  const lines = full.events.filter((event) => event.type === 'connection');
  // One notice.
  expect(lines).toEqual([expect.objectContaining({ message: expect.stringContaining('no space left') as unknown })]);
  const half = expectNothingWrong(site.root, server.folder);
  expect(half.marked).toBeLessThan(half.files);
  rmSync(`${server.folder}/.ballast`);
  await execa('mount', ['-o', `remount,size=${FILES * 20 + 8000}k`, server.folder]);
  expect((await site.scan()).exitCode).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  await watch.end();
  reportFigures('the destination full, then freed', { files: half.files, 'sent before it was full': half.marked });
});

it(
  'the disk with the state is full: nothing is wrongly marked, and the next run goes on',
  { timeout: 300_000 },
  async () => {
    const site = makeSite(folder, server);

    await mount(site.state, '64k');
    chmodSync(site.state, 0o700);
    expect((await site.run(['scan', '--dry-run'])).exitCode).toBe(0); // The state is there.
    for (const left of [0, 4096]) {
      fillSite(site, left === 0 ? 'DC1' : 'DC2');
      writeFileSync(`${site.state}/ballast`, '');
      await execa('dd', ['if=/dev/zero', `of=${site.state}/ballast`, 'bs=4096', 'count=64'], { reject: false });
      if (left > 0) await execa('truncate', ['-s', `-${left}`, `${site.state}/ballast`]);
      const { exitCode, stderr } = await site.run(['scan']);
      expect(stderr).not.toContain('    at ');
      expect(stderr).toMatch(/no space left/i);
      expect(left === 0 ? [3] : [0, 3]).toContain(exitCode); // Without any room no record can be created.
      expectNothingWrong(site.root, server.folder);
      rmSync(`${site.state}/ballast`);
    }
    expect((await site.scan()).exitCode).toBe(0);
    expectAllThere(site.root, server.folder, 2);
    reportFigures('the disk with the state full, then freed', { faults: 2, files: 2 * (FILES + 1) });
  },
);

it(
  'the disk of the source is full: all is sent and marked, and finished when there is room',
  { timeout: 300_000 },
  async () => {
    const site = makeSite(folder, server, { source: { rescan: '1s' } });
    await mount(site.root, '64m');
    const ballast = `${site.root}/ballast`;
    const fillUp = async (): Promise<void> => {
      await execa('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k'], { reject: false });
      await execa('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], { reject: false });
    };
    const watch = watchFinalNames(server.folder);
    const words = /finished\.watch.*no space left/;
    fillSite(site, 'DC1');
    await fillUp();
    for (let run = 1; run <= 2; run += 1) {
      const { exitCode, stderr } = await site.run(['scan']);
      expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringMatching(words) as unknown });
      expect(stderr).not.toContain('    at ');
      expect(expectNothingWrong(site.root, server.folder)).toMatchObject({ marked: FILES + 1, finished: 0 });
    }
    rmSync(ballast);
    expect((await site.scan()).exitCode).toBe(0);
    expectAllThere(site.root, server.folder, 1);

    // The daemon waits for room.
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    fillSite(site, 'DC2');
    await fillUp();
    await daemon.event((event) => event.type === 'unfinished' && words.test(event.reason));
    expectNothingWrong(site.root, server.folder);
    rmSync(ballast);
    await daemon.event((event) => event.type === 'finished' && event.directory === 'DC2');
    expect(await daemon.stop()).toBe(143);
    const { files } = expectAllThere(site.root, server.folder, 2);
    reportFigures('the disk of the source full, then freed', {
      faults: 2,
      files,
      'looks at final names': await watch.end(),
    });
  },
);

it('the destination turns read-only in mid-run, and its folder is closed to us', { timeout: 300_000 }, async () => {
  await mount(server.folder, '64m');
  await using proxy = await startProxy(server.port);
  const { stdout } = await execa('cat', [`${folder}/sshd/host_key.pub`]);
  writeFileSync(`${folder}/known`, `[127.0.0.1]:${proxy.port} ${stdout}\n`);
  const site = makeSite(folder, server, { destination: { port: proxy.port, knownHosts: `${folder}/known` } });
  fillSite(site);
  const watch = watchFinalNames(server.folder);
  const scan = site.run(['scan']);
  await proxy.passed(200_000);
  // Refused while a file is open for writing: then once more.
  let isReadOnly = false;
  for (let attempt = 0; attempt < 200 && !isReadOnly; attempt += 1) {
    isReadOnly = (await execa('mount', ['-o', 'remount,ro', server.folder], { reject: false })).exitCode === 0;
  }
  const { exitCode } = await scan;
  expectNothingWrong(site.root, server.folder);
  if (isReadOnly && exitCode === 0) expectAllThere(site.root, server.folder, 1); // It was through already.
  const second = await site.run(['scan']);
  expect([0, 3]).toContain(second.exitCode);
  expect(second.stderr).not.toContain('    at ');
  expectNothingWrong(site.root, server.folder);
  await execa('mount', ['-o', 'remount,rw', server.folder]);
  expect((await site.scan()).exitCode).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  await watch.end();
  reportFigures('the destination read-only in mid-run', { faults: isReadOnly ? 1 : 0, files: FILES + 1 });
});
