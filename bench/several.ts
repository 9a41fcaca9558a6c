import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/ports.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { beginAnew, fill, isocketCommand, median } from './support.ts';

// Two destinations, of which one refuses, or never answers: how long until the other one has all, against a site that has that one alone.
const [ROUNDS = 5, DIRECTORIES = 10, FILES = 500, BYTES = 4096] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
const hole = createServer(() => undefined).listen(await freePort(), '127.0.0.1');
try {
  await once(hole, 'listening');
  await using server = await startSshd(folder);
  const site = makeSite(folder, server);
  fill(site.root, DIRECTORIES, FILES, BYTES);
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
  const address = hole.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const others: Readonly<Record<string, readonly number[]>> = {
    alone: [],
    'one refuses': [await freePort()],
    'one is silent': [address.port],
  };
  const configure = (ports: readonly number[]): void => {
    const destination = [config.destination, ...ports.map((port) => ({ ...config.destination, port }))];
    writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  };
  /** Files under their final names. */
  const arrived = (): number =>
    readdirSync(server.folder)
      .filter((name) => name.startsWith('DC'))
      .flatMap((name) => readdirSync(`${server.folder}/${name}`))
      .filter((name) => name.startsWith('file-')).length;
  const runs = new Map<string, number[]>(Object.keys(others).map((name) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, ports] of Object.entries(others)) {
      beginAnew(site, server.folder);
      configure(ports);
      const begun = performance.now();
      const scan = spawn('env', [...isocketCommand(), '--config', site.config, 'scan', '--quiet'], { stdio: 'ignore' });
      const ended = once(scan, 'exit');
      while (scan.exitCode === null && arrived() < DIRECTORIES * FILES) await delay(20);
      runs.get(name)?.push((performance.now() - begun) / 1000);
      if (arrived() < DIRECTORIES * FILES) throw new Error(`${name}: ${arrived()} of ${DIRECTORIES * FILES} arrived`);
      scan.kill('SIGKILL');
      await ended;
    }
  }
  const alone = median(runs.get('alone') ?? []);
  console.log(`${DIRECTORIES} × ${FILES} files of ${BYTES} bytes, until one destination has all, median of ${ROUNDS}:`);
  for (const [name, seconds] of runs)
    console.log(`${name.padEnd(14)} ${median(seconds).toFixed(2)} s  ${(median(seconds) / alone).toFixed(2)} ×`);
} finally {
  hole.close();
  rmSync(folder, { recursive: true, force: true });
}
