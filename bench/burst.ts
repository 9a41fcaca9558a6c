import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askActivity } from '../src/instance/ask.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { differences, unmarked } from '../test/support/trees.ts';
import { peakOf } from './support.ts';

// A watched directory that receives many files as fast as one program can write them: all of them arrive, and the daemon's memory
// stays below the limit. Counts the events that the kernel dropped, and the files that a rescan found instead.
const [FILES = 50_000, BYTES = 1024, LIMIT_MB = 200] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-burst-'));
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server, { source: { settle: '2s', superseded: '30s', rescan: '30s' } });
  const source = `${site.root}/DC1`;
  mkdirSync(source);
  await using daemon = site.start(['daemon']);
  writeFileSync(`${source}/first`, '');
  await daemon.event(({ type }) => type === 'sent');
  const idleMb = peakOf(daemon.pid) / 1024;

  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
  for (let file = 1; file <= FILES; file += 1) writeFileSync(`${source}/file-${file}`, randomBytes(BYTES));
  console.log(`${FILES} files of ${BYTES} bytes written in ${seconds()} s`);
  let sent = 1;
  await daemon.event(({ type }) => type === 'sent' && (sent += 1) > FILES + 1);
  console.log(`all sent after ${seconds()} s`);
  const activity = await askActivity(site);
  writeFileSync(`${source}/finished.parse`, '');
  await daemon.event(({ type }) => type === 'finished');
  const peakMb = peakOf(daemon.pid) / 1024;
  console.log(`finished.watch after ${seconds()} s`);
  console.log(
    `the daemon's memory: ${idleMb.toFixed(0)} MB before, ${peakMb.toFixed(0)} MB at most; events lost ${activity?.eventsLost}, files found by a listing ${activity?.foundByRescan}`,
  );
  const wrong = [...differences(source, `${server.folder}/DC1`), ...unmarked(source)];
  if (wrong.length > 0) throw new Error(`${wrong.length} files are wrong, the first of them: ${wrong[0]}`);
  if (peakMb > LIMIT_MB) throw new Error(`more than ${LIMIT_MB} MB`);
  await daemon.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
