import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSite } from '../../src/commands/open-site.ts';
import { createIsExcluded } from '../../src/exclude.ts';
import { plan, type DirectoryPlan } from '../../src/lifecycle.ts';
import { readRoot } from '../../src/scanner.ts';
import { createSender } from '../../src/sender.ts';
import { createShipment } from '../../src/shipment.ts';
import { createWritersView } from '../../src/writers.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';

it('does not finish a directory by a listing that began before it was closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-shipment-'));
  try {
    await using server = await startOwnReceiver(folder);
    const { config: file, root } = makeSite(folder, server);
    const { makeDirectory, writeFile, closeDirectory } = parser(root);
    makeDirectory('DC1');
    writeFile('DC1/early');

    const report = (): void => undefined;
    await using site = await openSite({ config: file }, report);
    const { config, destinations } = site;
    const isExcluded = createIsExcluded(config.source.exclude);
    const { signal } = new AbortController();
    const { retry } = config.send;
    const sender = createSender({ root, destinations, retry, patience: 'forever', report, signal });
    const tally = { sent: 0, bytes: 0, skipped: 0, failed: 0, held: 0, finished: 0 };
    const now = (): DirectoryPlan => {
      const [only] = plan(readRoot(root, 'DC', isExcluded), 'birth');
      if (only === undefined) throw new Error('DC1 is not there');
      return only;
    };
    using shipment = createShipment(now(), {
      ...site,
      isExcluded,
      sender,
      writers: createWritersView(),
      tally,
      report,
      signal,
    });
    await shipment.feed(now());
    await shipment.settle(now());

    // All is sent. While it is listed once more, what is listed last is written and the directory is closed.
    await shipment.feed(now());
    writeFile('DC1/late');
    closeDirectory('DC1');
    expect((await shipment.settle(now())).finished).toBe(false);
    expect(isFinished(root, 'DC1')).toBe(false);

    await shipment.feed(now());
    expect((await shipment.settle(now())).finished).toBe(true);
    expect(tally.sent).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
