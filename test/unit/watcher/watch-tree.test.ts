import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeName } from '../../../src/name.ts';
import { openWatcher } from '../../../src/watcher/watcher.ts';
import { listen } from '../../support/heard.ts';

it('reports a sub-folder whose name chokidar cannot take, and has it listed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-tree-'));
  const name = Buffer.from([0x73, 0xff]);
  mkdirSync(Buffer.concat([Buffer.from(`${folder}/`), name]));
  const failures: string[] = [];
  const heard = listen();
  try {
    await using watcher = openWatcher(
      { source: 'chokidar', exact: false },
      { reportFailure: (message) => failures.push(message) },
    );
    await using tree = watcher.watchTree(folder, () => false, heard.onEvent);
    await tree.ready;
    await heard.until(() => heard.rescans('error', decodeName(name)) === 1);
    expect(failures).toEqual([expect.stringContaining('its name is not valid UTF-8')]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
