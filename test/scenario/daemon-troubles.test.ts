import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { askActivity } from '../../src/instance/ask.ts';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startReceiver } from '../../src/receiver/receiver.ts';
import { makeSmall } from '../support/break-folder.ts';
import { makeKey } from '../support/keys.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type RunningSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

// The line fails while the daemon runs, and gets well. What is told, and that all goes on by itself. One of them takes
// fifteen seconds: they run beside each other.

const makeFolder = (): { readonly path: string } & Disposable => {
  const path = mkdtempSync(join(tmpdir(), 'isocket-troubles-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
};
/** A rescan that comes too late for any test. */
const siteOf = (folder: string, server: TestServer, destination: Readonly<Record<string, unknown>> = {}): TestSite =>
  makeSite(folder, server, { source: { rescan: '1h' }, destination });
/** Another port, and perhaps another name, for a server whose key is known. */
const through = (server: TestServer, port: number, host = '127.0.0.1') => {
  const knownHosts = `${server.knownHosts}-${port}`;
  writeFileSync(knownHosts, readFileSync(server.knownHosts, 'utf8').replace(/^\[[^ ]+/, `[${host}]:${port}`));
  return { host, port, knownHosts };
};
const sent = (path: string) => (event: IsocketEvent) => event.type === 'sent' && event.path === path;
const isLine = (state: 'lost' | 'restored') => (event: IsocketEvent) =>
  event.type === 'connection' && event.state === state;
const finishDc1 = async (daemon: RunningSite, site: TestSite, server: TestServer): Promise<void> => {
  parser(site.root).closeDirectory('DC1');
  await daemon.event(({ type }) => type === 'finished');
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
  expect(unmarked(`${site.root}/DC1`)).toEqual([]);
};

describe.concurrent('the daemon goes on by itself', () => {
  it('when a destination that was full has room again, with one notice', async () => {
    using folder = makeFolder();
    await using server = await startSshd(folder.path);
    await using mounts = new AsyncDisposableStack();
    mounts.use(await makeSmall(server.folder));
    const ballast = `${server.folder}/ballast`;
    writeFileSync(ballast, Buffer.alloc(600_000));
    const site = siteOf(folder.path, server);
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    for (let count = 1; count <= 80; count += 1) writeFile(`DC1/file-${count}`, 8000);
    await daemon.event(isLine('lost'));
    rmSync(ballast);
    await daemon.event(isLine('restored'));
    await finishDc1(daemon, site, server);
    expect(daemon.events.filter(({ type }) => type === 'connection' || type === 'failed')).toMatchObject([
      { state: 'lost', message: expect.stringContaining('no space left') as unknown, retrying: true },
      { state: 'restored' },
    ]);
  });

  it('when the host has its old key again, and does not hammer meanwhile', async () => {
    using folder = makeFolder();
    const otherKey = (await makeKey(`${folder.path}/other_key`), readFileSync(`${folder.path}/other_key`));
    const server = await startOwnReceiver(folder.path);
    const files = `${folder.path}/receiver`;
    await using proxy = await startProxy(server.port);
    const startAgain = (hostKey: Buffer): Promise<AsyncDisposable> =>
      startReceiver({
        root: server.folder,
        host: '127.0.0.1',
        port: server.port,
        authorizedKeys: readFileSync(`${files}/user_key.pub`, 'utf8'),
        hostKey,
        log: () => undefined,
      });
    const site = siteOf(folder.path, server, through(server, proxy.port));
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/before');
    await daemon.event(sent('DC1/before'));
    await server[Symbol.asyncDispose]();
    const impostor = await startAgain(otherKey);
    writeFile('DC1/meanwhile');
    const refused = (event: IsocketEvent) =>
      event.type === 'connection' && event.state === 'lost' && event.message.includes('the host key CHANGED');
    expect(await daemon.event(refused)).toMatchObject({
      hint: expect.stringContaining('ssh-keygen -f') as unknown,
      retrying: true,
    });
    const lost = performance.now();
    const { connections } = proxy;
    await impostor[Symbol.asyncDispose]();
    await using servers = new AsyncDisposableStack();
    servers.use(await startAgain(readFileSync(`${files}/host_key`)));
    await daemon.event(isLine('restored'));
    // OpenSSH shuts out who knocks on: once in 15 s is often enough.
    expect(performance.now() - lost).toBeGreaterThan(14_000);
    expect(proxy.connections).toBe(connections + 1);
    await finishDc1(daemon, site, server);
    expect(daemon.events.filter(({ type }) => type === 'failed')).toEqual([]);
    expect(daemon.events.filter(refused)).toHaveLength(1);
    expect(daemon.events.filter(isLine('restored'))).toHaveLength(1);
  });

  it('when the name of its destination is known again', async ({ expect }) => {
    using folder = makeFolder();
    await using server = await startOwnReceiver(folder.path);
    await using proxy = await startProxy(server.port);
    const hosts = `${folder.path}/hosts`;
    const names = `${folder.path}/resolv.conf`;
    writeFileSync(hosts, '');
    writeFileSync(names, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
    const site = siteOf(folder.path, server, through(server, proxy.port, 'drms.invalid'));
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    // Names as this one process sees them.
    const see = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"';
    await using daemon = site.start(['daemon'], {
      through: ['unshare', '--mount', 'sh', '-c', see, 'sh', hosts, names],
    });
    writeFile('DC1/before');
    const unknown =
      /drms\.invalid.*: (?:the name service does not answer|there is no host of that name|that name has no address)/;
    expect(await daemon.event(isLine('lost'))).toMatchObject({
      message: expect.stringMatching(unknown) as unknown,
      hint: 'correct destination.host, or fix the name service',
    });
    writeFileSync(hosts, '127.0.0.1 drms.invalid\n');
    await daemon.event(sent('DC1/before'));

    writeFileSync(hosts, '');
    proxy.cut();
    writeFile('DC1/meanwhile');
    const messageNow = async () => (await askActivity(site))?.connections[0]?.message;
    await expect.poll(messageNow, { timeout: 20_000 }).toMatch(unknown);
    writeFileSync(hosts, '127.0.0.1 drms.invalid\n');
    await daemon.event(sent('DC1/meanwhile'));
    await finishDc1(daemon, site, server);
    const told = daemon.events.flatMap((event) => (event.type === 'connection' ? [event.state] : []));
    expect(told).toEqual(['lost', 'restored', 'lost', 'restored']);
  });

  it('on a line that trickles, and gives up nothing that moves', async () => {
    using folder = makeFolder();
    await using server = await startOwnReceiver(folder.path);
    await using proxy = await startProxy(server.port);
    const site = siteOf(folder.path, server, through(server, proxy.port));
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/before');
    await daemon.event(sent('DC1/before'));
    proxy.trickle(1000);
    for (const name of ['slow-1', 'slow-2']) {
      writeFile(`DC1/${name}`);
      await daemon.event(sent(`DC1/${name}`));
    }
    const moves = proxy.passed(1);
    writeFile('DC1/big', 300_000);
    await moves;
    writeFile('DC1/behind-it');
    proxy.resume();
    await daemon.event(sent('DC1/behind-it'));
    await finishDc1(daemon, site, server);
    expect(daemon.events.filter(({ type }) => type === 'connection' || type === 'failed')).toEqual([]);
  });
});
