import { lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSite } from '../../src/cli/commands/open-site.ts';
import { plan, type DirectoryPlan } from '../../src/core/lifecycle.ts';
import { readRoot } from '../../src/source/root.ts';
import { createSiteContext } from '../../src/delivery/context.ts';
import { DirectoryWork } from '../../src/delivery/directory-work.ts';
import { ListingTurn } from '../../src/delivery/listing-turn.ts';
import type { CycleEnd } from '../../src/delivery/cycle-end.ts';
import { createOpenFilesView, OpenFiles, type OpenFilesView } from '../../src/source/open-files.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';

const SETTLE_MS = 7000;

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-directory-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The work on DC1, as the daemon does it, round by round. */
const workOnDc1 = async (openFiles: OpenFilesView) => {
  const { config: file, root } = makeSite(folder, server, { source: { settle: `${SETTLE_MS}ms` } });
  const does = parser(root);
  does.makeDirectory('DC1');
  const report = (): void => undefined;
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await openSite({ config: file }, report));
  const { signal } = new AbortController();
  const context = { ...createSiteContext({ ...site, report, signal }, 'forever'), openFiles };
  const { isExcluded, counters } = context;
  const now = (): DirectoryPlan => {
    const [only] = plan(readRoot(root, 'DC', isExcluded).directories, 'birth');
    if (only === undefined) throw new Error('DC1 is not there');
    return only;
  };
  const work = stack.use(new DirectoryWork(now(), context));
  work.expectEvents();
  const list = (): Promise<void> => work.list(now(), new ListingTurn());
  const finish = (): Promise<CycleEnd> => work.finish(now());
  const cycle = async (): Promise<CycleEnd> => {
    await list();
    return finish();
  };
  const closed = async (path: string): Promise<void> => {
    work.queue.close(path);
    await work.queue.drain();
  };
  const owned = stack.move();
  return {
    root,
    ...does,
    queue: work.queue,
    counters,
    closed,
    list,
    finish,
    cycle,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

type Dc1 = Awaited<ReturnType<typeof workOnDc1>>;

it('does not finish a directory by a listing that began before it was closed', async () => {
  await using dc1 = await workOnDc1(createOpenFilesView());
  dc1.writeFile('DC1/early');
  await dc1.closed('early');

  // All is sent. While it is listed once more, what is listed last is written and the directory is closed.
  await dc1.list();
  dc1.writeFile('DC1/late');
  dc1.closeDirectory('DC1');
  expect((await dc1.finish()).finished).toBe(false);
  expect(isFinished(dc1.root, 'DC1')).toBe(false);

  expect((await dc1.cycle()).finished).toBe(true);
  expect(dc1.counters.sent).toBe(2);
});

// The look at who writes may be a second old: nothing else would tell that its writer is gone.
it.each<[string, (dc1: Dc1) => Promise<void>]>([
  ['that was just sent', (dc1) => dc1.closed('last')],
  [
    'that is being sent',
    (dc1) => {
      dc1.queue.close('last');
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
  expect(await dc1.cycle()).toMatchObject({ finished: false, dueMs: SETTLE_MS });

  writing = new OpenFiles();
  expect((await dc1.cycle()).finished).toBe(true);
  expect(dc1.counters.sent).toBe(1);
});
