import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { peakOf } from './support.ts';

// An idle daemon: many finished directories, and an open one whose files are all sent.
const [SECONDS = 60, DIRECTORIES = 1000, FILES = 1000] = process.argv.slice(2).map(Number);
const CLOCK_TICKS_A_SECOND = 100;
const LIMIT_SHARE = 0.005;

const folder = mkdtempSync(join(tmpdir(), 'isocket-idle-'));
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server, { source: { settle: '2s', superseded: '30s', rescan: '30s' } });
  for (let directory = 1; directory <= DIRECTORIES; directory += 1) {
    mkdirSync(`${site.root}/DC${directory}`);
    writeFileSync(`${site.root}/DC${directory}/finished.watch`, '{}\n');
  }
  const open = `${site.root}/DC${DIRECTORIES + 1}`;
  mkdirSync(open);
  for (let file = 1; file <= FILES; file += 1) writeFileSync(`${open}/file-${file}`, 'x');
  await using daemon = site.start(['daemon']);
  let sent = 0;
  await daemon.event(({ type }) => type === 'sent' && (sent += 1) === FILES);
  await delay(5000); // Lets the work of the start end first.

  const before = sample(daemon.pid);
  await delay(SECONDS * 1000);
  const after = sample(daemon.pid);
  const share = (after.cpuSeconds - before.cpuSeconds) / SECONDS;
  console.log(
    `${DIRECTORIES} finished directories and an open one of ${FILES} files, ${SECONDS} s: ${(share * 100).toFixed(2)} % of a core; ` +
      `descriptors ${before.descriptors} before, ${after.descriptors} after; memory ${(peakOf(daemon.pid) / 1024).toFixed(0)} MB at most`,
  );
  if (share >= LIMIT_SHARE) throw new Error(`more than ${LIMIT_SHARE * 100} % of a core`);
  if (after.descriptors > before.descriptors) throw new Error('there are more descriptors than before');
  await daemon.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** CPU time of the daemon and its watcher processes since their start. */
function sample(pid: number): { readonly cpuSeconds: number; readonly descriptors: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
  const ticks = [String(pid), ...children].map((process) => {
    // Counted after the name, which may contain spaces: user and system time are the 12th and 13th field.
    const stat = readFileSync(`/proc/${process}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return {
    cpuSeconds: ticks.reduce((sum, one) => sum + one, 0) / CLOCK_TICKS_A_SECOND,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
