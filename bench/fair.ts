import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { through } from '../test/support/through.ts';
import { measureLatency, show, type Latencies } from './latency.ts';
import { startLine } from './slow-line.ts';
import { median } from './support.ts';

// FILES GIB TRANSPORT ROUND_TRIP_MS MB_A_SECOND: the last two for a line of that length and width.
// Small files that are closed while a big one is on its way, beside the same with nothing else to send: how much later are they marked?
const [FILES = 100, GIB = 8] = process.argv.slice(2, 4).map(Number);
const [TRANSPORT = 'sftp', ROUND_TRIP_MS = '0', MB_A_SECOND = 'Infinity'] = process.argv.slice(4);
const line = { roundTripMs: Number(ROUND_TRIP_MS), bytesPerSecond: Number(MB_A_SECOND) * 1e6 };
const OPTIONS = { files: FILES, bytes: 4096, everyMs: 100, marks: true };

const folder = mkdtempSync(join(tmpdir(), 'isocket-fair-'));
try {
  await using server = await startSshd(folder, { config: [`SetEnv HOME=${folder}`] });
  await using slow = line.bytesPerSecond < Infinity ? await startLine(server.port, line) : undefined;
  const site = makeSite(folder, server, {
    source: { settle: '2s', superseded: '30s' },
    destination: { transport: TRANSPORT, ...(slow === undefined ? {} : through(folder, server, slow.port)) },
  });
  for (const directory of ['DC1', 'DC2', 'DC3']) mkdirSync(`${site.root}/${directory}`);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'watching');
  writeFileSync(`${site.root}/DC3/first`, '');
  await daemon.event(({ type }) => type === 'sent');
  const measure = (directory: string): Promise<Latencies> =>
    measureLatency(`${site.root}/${directory}`, `${server.folder}/${directory}`, OPTIONS);
  mkdirSync(`${server.folder}/DC2`, { recursive: true });
  const alone = await measure('DC3');
  const big = openSync(`${site.root}/DC1/big`, 'w');
  ftruncateSync(big, GIB * 1024 ** 3); // Of holes: the disk is not what is measured.
  closeSync(big);
  const beside = await measure('DC2');
  console.log(`${FILES} files of 4 KiB; milliseconds from close to mark:`);
  show('alone', alone.marked);
  show(`beside one of ${GIB} GiB`, beside.marked);
  console.log(`medians: ${(median(beside.marked) / median(alone.marked)).toFixed(2)}`);
  await daemon.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
