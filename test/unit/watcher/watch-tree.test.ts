import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeName } from '../../../src/name.ts';
import { watchTree } from '../../../src/watcher/watch-tree.ts';
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

it('bears a folder that the disk does not let us look at: the listing tells why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-tree-'));
  try {
    const watchNone = () => ({ ready: Promise.resolve(), isUp: true, [Symbol.asyncDispose]: () => Promise.resolve() });
    const options = { isExcluded: () => false, watchSubFolder: watchNone, watchTop: watchNone };
    await using tree = watchTree(folder, options, () => undefined);
    tree.ensureWatched('n'.repeat(300)); // ENAMETOOLONG, as a dead mount has ENOTCONN.
  } finally {
    rmSync(folder, { recursive: true });
  }
});
