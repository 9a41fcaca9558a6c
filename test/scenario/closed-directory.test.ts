import { lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSite } from '../../src/cli/commands/open-site.ts';
import { createIsExcluded } from '../../src/source/exclude.ts';
import { plan, type DirectoryPlan } from '../../src/core/lifecycle.ts';
import { readRoot } from '../../src/source/scanner.ts';
import { createSender } from '../../src/delivery/sender.ts';
import { createDirectoryWork, type CycleEnd, type DirectoryWork } from '../../src/delivery/directory-work.ts';
import { createOpenFilesView, OpenFiles, type OpenFilesView } from '../../src/source/open-files.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';

const SETTLE_MS = 7000;

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-shipment-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The work on DC1, as the daemon does it, round by round. */
const workOnDc1 = async (writers: OpenFilesView) => {
  const { config: file, root } = makeSite(folder, server, { source: { settle: `${SETTLE_MS}ms` } });
  const does = parser(root);
  does.makeDirectory('DC1');
  const report = (): void => undefined;
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await openSite({ config: file }, report));
  const { config, destinations } = site;
  const isExcluded = createIsExcluded(config.source.exclude);
  const { signal } = new AbortController();
  const { retry } = config.send;
  const sender = createSender({ root, destinations, retry, retryMode: 'forever', report, signal });
  const tally = { sent: 0, bytes: 0, skipped: 0, failed: 0, held: 0, finished: 0 };
  const now = (): DirectoryPlan => {
    const [only] = plan(readRoot(root, 'DC', isExcluded), 'birth');
    if (only === undefined) throw new Error('DC1 is not there');
    return only;
  };
  const shipment: DirectoryWork = stack.use(
    createDirectoryWork(now(), { ...site, isExcluded, sender, openFiles: writers, counters: tally, report, signal }),
  );
  shipment.expectEvents();
  const feed = (): Promise<void> => shipment.list(now());
  const settle = (): Promise<CycleEnd> => shipment.finish(now());
  const round = async (): Promise<CycleEnd> => {
    await feed();
    return settle();
  };
  const closed = async (path: string): Promise<void> => {
    shipment.queue.closed(path);
    await shipment.queue.drain();
  };
  const owned = stack.move();
  return {
    root,
    ...does,
    dispatch: shipment.queue,
    tally,
    closed,
    feed,
    settle,
    round,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

type Dc1 = Awaited<ReturnType<typeof workOnDc1>>;

it('does not finish a directory by a listing that began before it was closed', async () => {
  await using dc1 = await workOnDc1(createOpenFilesView());
  dc1.writeFile('DC1/early');
  await dc1.closed('early');

  // All is sent. While it is listed once more, what is listed last is written and the directory is closed.
  await dc1.feed();
  dc1.writeFile('DC1/late');
  dc1.closeDirectory('DC1');
  expect((await dc1.settle()).finished).toBe(false);
  expect(isFinished(dc1.root, 'DC1')).toBe(false);

  expect((await dc1.round()).finished).toBe(true);
  expect(dc1.tally.sent).toBe(2);
});

// The look at who writes may be a second old: nothing else would tell that its writer is gone.
it.each<[string, (dc1: Dc1) => Promise<void>]>([
  ['that was just sent', (dc1) => dc1.closed('last')],
  [
    'that is being sent',
    (dc1) => {
      dc1.dispatch.closed('last');
      return Promise.resolve();
    },
  ],
  ['that a listing found', () => Promise.resolve()],
])('looks again soon at a closed directory of which a file %s still seems to be open', async (_which, begin) => {
  let writing = new OpenFiles();
  await using dc1 = await workOnDc1(() => writing);
  dc1.writeFile('DC1/last');
  writing.add(lstatSync(`${dc1.root}/DC1/last`, { bigint: true }), process.pid);
  await begin(dc1);
  dc1.closeDirectory('DC1');
  expect(await dc1.round()).toMatchObject({ finished: false, dueMs: SETTLE_MS });

  writing = new OpenFiles();
  expect((await dc1.round()).finished).toBe(true);
  expect(dc1.tally.sent).toBe(1);
});
