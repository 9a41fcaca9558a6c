import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import { startHaproxy } from '../support/haproxy.ts';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  reportFigures,
  rounds,
  watchFinalNames,
} from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const SITES = 3;
const FILES = rounds(400, 3000);
const FILE_BYTES = 20_000;
const RECEIVERS = ['receiver-1', 'receiver-2', 'receiver-3'] as const;

describe('three sshd of one tree behind HAProxy', () => {
  it('one is killed under load: nothing is lost, and nothing half', { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-balancer-'));
    try {
      await using stack = new AsyncDisposableStack();
      for (const name of RECEIVERS) mkdirSync(`${folder}/${name}`);
      const first = `${folder}/${RECEIVERS[0]}`;
      const servers = [];
      for (const name of RECEIVERS)
        servers.push(stack.use(await startSshd(`${folder}/${name}`, name === RECEIVERS[0] ? {} : { twinOf: first })));
      const [server] = servers;
      if (server === undefined) throw new Error('no server was started');
      const balancer = stack.use(
        await startHaproxy(
          folder,
          servers.map(({ port }) => port),
        ),
      );
      const destination = through(folder, server, balancer.port);
      const sites = Array.from({ length: SITES }, (_, index) => {
        const name = `site-${index + 1}`;
        const site = makeSite(folder, server, {
          name,
          destination: { ...destination, path: `${server.path}/${name}` },
          more: { send: { bandwidth: '1MB/s', retry: { first: '10ms', most: '200ms' } } },
        });
        mkdirSync(`${server.folder}/${name}`);
        for (let file = 1; file <= FILES; file += 1) produce(site.root, `DC1/file-${file}`, FILE_BYTES);
        writeFileSync(`${site.root}/DC1/finished.parse`, '');
        return { site, there: `${server.folder}/${name}` };
      });
      const watches = sites.map(({ there }) => watchFinalNames(there));
      const daemons = sites.map(({ site }) => stack.use(site.start(['daemon'])));
      await Promise.all(daemons.map((daemon) => daemon.event(({ type }) => type === 'sent')));

      let killed = 0;
      for (const name of RECEIVERS) {
        const pid = Number(readFileSync(`${folder}/${name}/sshd/pid`, 'utf8'));
        const connections = await childrenOf(pid, 'sshd');
        if (connections.length === 0 || killed > 0) continue;
        for (const child of [pid, ...connections]) process.kill(child, 'SIGKILL');
        killed += connections.length;
      }
      expect(killed).toBeGreaterThan(0);
      for (const { site, there } of sites) expectNothingWrong(site.root, there);

      await Promise.all(daemons.map((daemon) => daemon.event(({ type }) => type === 'finished')));
      for (const { site, there } of sites) expectAllThere(site.root, there, 1);
      const lost = daemons.filter(({ events }) => events.some((event) => event.type === 'connection')).length;
      expect(lost).toBeGreaterThan(0);
      expect(await Promise.all(daemons.map((daemon) => daemon.stop()))).toEqual(daemons.map(() => 143));
      reportFigures('`kill -9` of one of three sshd behind HAProxy', {
        sites: SITES,
        files: SITES * FILES,
        'sites that lost their connection': lost,
        'looks at final names': (await Promise.all(watches.map((watch) => watch.end()))).reduce((a, b) => a + b, 0),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
