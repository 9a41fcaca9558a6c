import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { Daemon } from '../../../src/daemon/daemon.ts';
import { openState } from '../../../src/marks/state.ts';
import { openWatcher } from '../../../src/watcher/watcher.ts';

const DEFECT = new RangeError('a defect');
const REFUSED = Object.assign(new Error('EIO: i/o error, scandir'), { code: 'EIO' });

const runWith = async (failure: Error, signal: AbortSignal): Promise<{ ended: unknown; notes: string[] }> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-defect-'));
  const root = `${folder}/datas`;
  mkdirSync(`${root}/DC1`, { recursive: true });
  const source = {
    root,
    tag: 'DC',
    newest: 'birth',
    exclude: [],
    settleMs: 0,
    supersededMs: 0,
    rescanMs: 20,
    watcher: 'chokidar',
    trustMarks: false,
  };
  const retry = { firstMs: 1, mostMs: 1, hold: 1 };
  const config = { site: 'site', source, send: { retry }, destinations: [], verify: 'sent' } as unknown as Config;
  const keepRecordsOf = (): never => {
    throw failure;
  };
  const state = { ...openState(`${folder}/state`, root), keepRecordsOf };
  const notes: string[] = [];
  await using watcher = openWatcher({ source: 'chokidar', exact: false }, { reportFailure: () => undefined });
  const daemon = new Daemon({
    config,
    state,
    destinations: [],
    watcher,
    signal,
    report: (event) => {
      if (event.type === 'note') notes.push(event.message);
    },
  });
  try {
    return { ended: await daemon.run().catch((error: unknown) => error), notes };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

it('ends with a defect, and leaves nothing running', async () => {
  expect((await runWith(DEFECT, new AbortController().signal)).ended).toBe(DEFECT);
});

it('goes on after what the disk refused, and tells it once', async () => {
  const { ended, notes } = await runWith(REFUSED, AbortSignal.timeout(300));
  expect({ ended, notes }).toEqual({
    ended: undefined,
    notes: [expect.stringContaining('EIO: i/o error') as unknown],
  });
});
