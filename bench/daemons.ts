import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proportionalMbOf } from '../test/support/process-memory.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';

// Many sites on one host, a daemon each: how long until all of them watch, what they take together, and whether each delivers its own.
const [DAEMONS = 50] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-daemons-'));
try {
  await using server = await startSshd(folder, { config: ['MaxStartups 200'] });
  await using stack = new AsyncDisposableStack();
  const sites = Array.from({ length: DAEMONS }, (_, index) => {
    const site = makeSite(folder, server, {
      name: `site-${index + 1}`,
      destination: { path: `${server.path}/site-${index + 1}` },
    });
    for (const path of [`${site.root}/DC1`, `${server.folder}/site-${index + 1}`]) mkdirSync(path);
    return site;
  });
  const startedMs = performance.now();
  const daemons = sites.map((site) => ({ site, daemon: stack.use(site.start(['daemon'])) }));
  await Promise.all(daemons.map(({ daemon }) => daemon.event(({ type }) => type === 'watching')));
  const show = (what: string, mb: number): void =>
    console.log(`${what}: ${mb.toFixed(0)} MB, ${(mb / DAEMONS).toFixed(1)} each`);
  console.log(`${DAEMONS} daemons watch after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  const pids = daemons.map(({ daemon }) => daemon.pid);
  show('not connected', proportionalMbOf(pids));
  for (const { site } of daemons) writeFileSync(`${site.root}/DC1/file`, 'content');
  await Promise.all(daemons.map(({ daemon }) => daemon.event(({ type }) => type === 'sent')));
  show('connected', proportionalMbOf(pids));
  const codes = await Promise.all(daemons.map(({ daemon }) => daemon.stop()));
  console.log(`${codes.filter((code) => code === 143).length} of ${DAEMONS} ended in order`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
