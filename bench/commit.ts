import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startReceiverProcess } from '../test/support/receiver-process.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { through } from '../test/support/through.ts';
import { startLine } from './slow-line.ts';
import { beginAnew, fill, isocketCommand, median, time } from './support.ts';

// isocket to its own receiver, with commit@isocket, and to OpenSSH's sftp-server: the same client and files, durable, whole processes, in
// turns, medians; near, and over a line with that round trip.
const [ROUNDS = 5, FILES = 5000, BYTES = 4096, ROUND_TRIP_MS = 100] = process.argv.slice(2).map(Number);
const LINE_BYTES_PER_SECOND = 1e9;

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-commit-'));
try {
  const more = { send: { durable: true } };
  for (const name of ['openssh', 'receiver']) mkdirSync(`${folder}/${name}`);
  await using openssh = await startSshd(`${folder}/openssh`);
  await using receiver = await startReceiverProcess(`${folder}/receiver`, { command: isocketCommand() });
  for (const roundTripMs of [0, ROUND_TRIP_MS]) {
    await using stack = new AsyncDisposableStack();
    const seconds = new Map<string, number[]>();
    const contestants = [];
    for (const [name, server] of [
      ['sftp-server', openssh],
      ['isocket receive', receiver],
    ] as const) {
      const at = `${folder}/${name === 'sftp-server' ? 'openssh' : 'receiver'}`;
      const line =
        roundTripMs === 0
          ? server
          : stack.use(await startLine(server.port, { roundTripMs, bytesPerSecond: LINE_BYTES_PER_SECOND }));
      const site = makeSite(at, server, {
        name: `site-${roundTripMs}`,
        destination: through(at, server, line.port),
        more,
      });
      fill(site.root, 1, FILES, BYTES);
      contestants.push({ name, server, site });
      seconds.set(name, []);
    }
    for (let round = 0; round <= ROUNDS; round += 1)
      for (const { name, server, site } of contestants) {
        const run = await time([...isocketCommand(), '--config', site.config, 'scan', '--quiet'], folder);
        // The first one warms up.
        if (round > 0) seconds.get(name)?.push(run.seconds);
        beginAnew(site, server.folder);
      }
    const reference = median(seconds.get('sftp-server') ?? []);
    console.log(`${FILES} files of ${BYTES} bytes, ${roundTripMs} ms of round trip, median of ${ROUNDS}:`);
    for (const [name, all] of seconds)
      console.log(`  ${name.padEnd(18)} ${median(all).toFixed(2)} s  ${(reference / median(all)).toFixed(2)} ×`);
    for (const { site } of contestants) rmSync(site.root, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
