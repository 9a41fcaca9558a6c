import { execa } from 'execa';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Transport } from '../../src/transport.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { hostileNames, isFinished, parser } from '../support/parser.ts';
import { makeProofSite, scanHere, TRANSPORTS, type ProofSite } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// `manifest: true`: whoever has only the destination proves a directory with `sha256sum -c`.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-manifest-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const ON = { more: { manifest: true } };

/** Every file of the directory is in the manifest, `sha256sum -c` finds all of them as they are, and `finished.watch` names it. */
const expectProved = async ({ root }: Pick<ProofSite, 'root'>, there: string, files: number): Promise<void> => {
  const at = `${there}/DC1`;
  const { stdout } = await execa('sha256sum', ['-c', '--strict', 'SHA256SUMS'], { cwd: at, encoding: 'latin1' });
  expect(stdout.match(/: OK$/gm)).toHaveLength(files);
  const { manifest } = JSON.parse(readFileSync(`${root}/DC1/finished.watch`, 'utf8')) as { manifest: string };
  expect(manifest).toBe(
    createHash('sha256')
      .update(readFileSync(`${at}/SHA256SUMS`))
      .digest('hex'),
  );
};

/** Passes everything on, but for what `over` replaces. */
const wrapped = (transport: Transport, over: Partial<Transport>): Transport => ({
  label: transport.label,
  get inFlight() {
    return transport.inFlight;
  },
  send: (file, signal) => transport.send(file, signal),
  verify: (files, how, signal) => transport.verify(files, how, signal),
  tidy: (folders, signal) => transport.tidy(folders, signal),
  probe: (signal) => transport.probe(signal),
  [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  ...over,
});

/** Calls `act` once, after the manifest was delivered. */
const afterManifest =
  (act: () => void) =>
  (transport: Transport): Transport => {
    let isDone = false;
    return wrapped(transport, {
      send: async (file, signal) => {
        await transport.send(file, signal);
        if (isDone || !file.targetPath.endsWith('/SHA256SUMS')) return;
        isDone = true;
        act();
      },
    });
  };

describe.each(TRANSPORTS)('with %s', (transport) => {
  it('proves a directory with all kinds of names and sizes', async () => {
    const site = makeProofSite(folder, server, transport, { more: { manifest: true, announce: true } });
    const { writeFile, closeDirectory } = parser(site.root);
    writeFile('DC1/small', 10);
    writeFile('DC1/empty', 0);
    writeFile('DC1/sub/deep/middle', 300_000);
    writeFile('DC1/sub/big', 9_000_000);
    for (const name of [...hostileNames, Buffer.from('-'), Buffer.from('car\rriage')])
      writeFileSync(Buffer.concat([Buffer.from(`${site.root}/DC1/`), name]), name);
    closeDirectory('DC1');
    const { exitCode, warnings } = await site.scan();
    expect([exitCode, warnings]).toEqual([0, []]);
    await expectProved(site, site.there, 4 + hostileNames.length + 2);
    expect(readdirSync(`${site.there}/DC1`)).toContain('finished.parse');
    expect(readdirSync(`${site.there}/DC1`).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect(readdirSync(`${site.state}/records`).toSorted()).toEqual(['DC1', 'DC1+sums']);
  });

  it('proves at two destinations what several runs sent, and what is there without having been sent', async () => {
    const site = makeProofSite(folder, server, transport, ON);
    const other = `${site.there}-other`;
    mkdirSync(other);
    const { writeFiles, writeFile, closeDirectory } = parser(site.root);
    writeFiles('DC1', 3);
    expect((await site.scan()).exitCode).toBe(0);
    rmSync(site.state, { recursive: true }); // Their marks are claims now.
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { destination: object };
    const destination = [config.destination, { ...config.destination, path: other }];
    writeFileSync(site.config, JSON.stringify({ ...config, destination }));
    writeFile('DC1/late', 200_000);
    expect((await site.scan()).exitCode).toBe(0);
    closeDirectory('DC1');
    const { exitCode, warnings } = await site.scan();
    expect([exitCode, warnings]).toEqual([0, []]);
    for (const there of [site.there, other]) await expectProved(site, there, 4);
  });

  it('holds back a file that has the name of the manifest, and tells the cure', async () => {
    const site = makeProofSite(folder, server, transport, ON);
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 2);
    writeFileSync(`${site.root}/DC1/SHA256SUMS`, 'theirs');
    closeDirectory('DC1');
    const held = await site.scan();
    expect(held.exitCode).toBe(3);
    expect(held.warnings.join('\n')).toMatch(/SHA256SUMS.*rename it, exclude it, or set manifest: false/);
    expect(existsSync(`${site.there}/DC1/SHA256SUMS`)).toBe(false);
    expect(isFinished(site.root, 'DC1')).toBe(false);
    rmSync(`${site.root}/DC1/SHA256SUMS`);
    expect((await site.scan()).exitCode).toBe(0);
    await expectProved(site, site.there, 2);
  });

  it('delivers it once more where a file changed meanwhile, with size and times kept', async () => {
    const site = makeProofSite(folder, server, transport, ON);
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 2);
    closeDirectory('DC1');
    const changed = `${site.root}/DC1/file-1`;
    const change = afterManifest(() => {
      const { atime, mtime } = statSync(changed);
      writeFileSync(changed, Buffer.alloc(1000, 'x'));
      utimesSync(changed, atime, mtime);
    });
    expect((await scanHere(site.config, change)).exitCode).toBe(0);
    expect(readFileSync(`${site.there}/DC1/file-1`, 'latin1')).toBe('x'.repeat(1000));
    await expectProved(site, site.there, 2);
  });

  it('is repeated after a crash between the manifest and finished.watch', async () => {
    const site = makeProofSite(folder, server, transport, ON);
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 3);
    closeDirectory('DC1');
    const crash = afterManifest(() => {
      throw new Error('crash');
    });
    await expect(scanHere(site.config, crash)).rejects.toThrow('crash');
    expect(isFinished(site.root, 'DC1')).toBe(false);
    expect(existsSync(`${site.there}/DC1/SHA256SUMS`)).toBe(true);
    expect((await site.scan()).exitCode).toBe(0);
    await expectProved(site, site.there, 3);
  });
});

it('is true after kill -9 of the daemon as soon as it is there, and a restart', async () => {
  const site = makeProofSite(folder, server, 'sftp', ON);
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 3);
  closeDirectory('DC1');
  await using killed = site.start(['daemon']);
  while (!existsSync(`${site.there}/DC1/SHA256SUMS`)) await delay(5);
  await killed.stop('SIGKILL');
  if (!isFinished(site.root, 'DC1')) {
    await using daemon = site.start(['daemon']);
    await daemon.event((event) => event.type === 'finished');
  }
  await expectProved(site, site.there, 3);
});

it('reads nothing twice at the source with sftp', async () => {
  const site = makeProofSite(folder, server, 'sftp', ON);
  const { writeFile, closeDirectory } = parser(site.root);
  writeFile('DC1/small');
  writeFile('DC1/big', 20_000_000);
  closeDirectory('DC1');
  const { events } = await site.scan();
  expect(events.filter((event) => event.type === 'note' && event.message.includes('reads for'))).toEqual([]);
  await expectProved(site, site.there, 2);
});

it('finishes a directory without files, and delivers no manifest of nothing', async () => {
  const site = makeProofSite(folder, server, 'sftp', ON);
  parser(site.root).makeDirectory('DC1');
  parser(site.root).closeDirectory('DC1');
  expect((await site.scan()).exitCode).toBe(0);
  expect(JSON.parse(readFileSync(`${site.root}/DC1/finished.watch`, 'utf8'))).toMatchObject({ manifest: null });
  expect(existsSync(`${site.there}/DC1`)).toBe(false);
});

it('may be sent again to an append-only receiver, and says what it refuses', async () => {
  const base = `${folder}/append-only`;
  mkdirSync(base);
  await using receiver = await startOwnReceiver(base, { appendOnly: true });
  const site = makeProofSite(base, receiver, 'sftp', { ...ON, destination: { path: '/' } });
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  writeFiles('DC1', 2);
  closeDirectory('DC1');
  expect((await site.scan()).exitCode).toBe(0);
  expect((await site.run(['reset', 'DC1'])).exitCode).toBe(0);
  expect((await site.scan()).exitCode).toBe(0);
  await expectProved(site, receiver.folder, 2);
  expect((await site.run(['reset', 'DC1'])).exitCode).toBe(0);
  writeFile('DC1/late');
  const refused = await site.scan();
  expect(refused.exitCode).toBe(3);
  expect(refused.warnings.join('\n')).toMatch(/SHA256SUMS.*append-only/);
  rmSync(`${receiver.folder}/DC1/SHA256SUMS`);
  expect((await site.scan()).exitCode).toBe(0);
  await expectProved(site, receiver.folder, 3);
});

it('takes no manifest by hand: send', async () => {
  const site = makeProofSite(folder, server, 'sftp', ON);
  parser(site.root).writeFiles('DC1', 1);
  writeFileSync(`${site.root}/DC1/SHA256SUMS`, 'theirs');
  const { exitCode } = await site.run(['send', `${site.root}/DC1/file-1`, `${site.root}/DC1/SHA256SUMS`]);
  expect(exitCode).toBe(3);
  expect(readdirSync(`${site.there}/DC1`)).toEqual(['file-1']);
});
