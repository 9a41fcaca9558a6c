import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DaemonMetrics } from '../../../../src/status/metrics/daemon-metrics.ts';
import { Totals } from '../../../../src/status/metrics/totals.ts';
import type { LiveReading } from '../../../../src/status/live/live-status.ts';

it('a counter that was shown is kept, whatever ends the process', async () => {
  const statePath = mkdtempSync(join(tmpdir(), 'isocket-metrics-'));
  const daemon = { isAlive: true, isCounting: false, backlog: { files: 0, bytes: 0 } };
  const reading = {
    status: { directories: [], totals: { held: 0 }, daemon },
    reasons: [],
    problems: { root: 0, refused: 0, down: 0, held: 0 },
  } as unknown as LiveReading;
  using metrics = new DaemonMetrics({
    ...{ site: 's', version: '1', statePath, textfile: null },
    live: { read: () => Promise.resolve(reading) },
    report: () => undefined,
    failed: (error) => expect.unreachable(String(error)),
  });
  for (let count = 0; count < 3; count += 1) metrics.note({ type: 'sent', path: `DC1/${count}`, bytes: 7 });
  expect(await metrics.text()).toMatch(/^isocket_files_sent_total\{site="s"\} 3$/m);
  const next = new Totals(statePath);
  expect([next.files, next.bytes]).toEqual([3, 21]);
  expect(next.lastSuccessMs).toBeGreaterThan(0);
  rmSync(statePath, { recursive: true });
});
