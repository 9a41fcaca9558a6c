import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSite } from '../../src/cli/commands/open-site.ts';
import { runPass } from '../../src/delivery/pass.ts';
import { expectAllThere, expectNothingWrong, produce, reportFigures } from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import { lies, startLyingServer } from '../support/servers/lying-server.ts';
import { makeSite } from '../support/site.ts';
import { through } from '../support/through.ts';

const FILES = 40;
const BIG_BYTES = 9_000_000;
/** Longer than isocket's own limit on silence. */
const LIMIT_MS = 60_000;

/** Lies after which not all can be delivered. The others are borne. */
const UNBEARABLE = new Set([
  'says OK where a handle belongs, and "failure" where a file is not there',
  // Each time the channel is given up, which may be before any file of it is confirmed.
  'answers twice now and then',
]);

it.each(Object.keys(lies))('a server that %s: no false proof, and no hang', { timeout: 120_000 }, async (lie) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-lies-')), (path) => rmSync(path, { recursive: true }));
  const tell = lies[lie];
  if (tell === undefined) throw new Error(lie);
  const server = stack.use(await startLyingServer(folder, tell));
  const proxy = stack.use(await startProxy(server.port));
  const site = makeSite(folder, server, {
    destination: { ...through(folder, server, proxy.port), allowDeleteFirst: true },
  });
  for (let file = 0; file < FILES; file += 1)
    produce(site.root, `DC1/${file % 3 === 0 ? 'sub/' : ''}f${file}`, (file * 7919) % 90_000);
  produce(site.root, 'DC1/big', BIG_BYTES);
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  const scan = async (): Promise<boolean> => {
    await using open = await openSite({ config: site.config }, () => undefined);
    const signal = AbortSignal.timeout(LIMIT_MS);
    const { complete } = await runPass({ ...open, report: () => undefined, signal });
    expect(signal.aborted).toBe(false);
    return complete;
  };
  // The first run is cut in the middle of the big file.
  proxy.cutAfter(BIG_BYTES / 2);
  let runs = 1;
  for (let isComplete = await scan(); !isComplete && runs < 6; isComplete = await scan()) {
    expectNothingWrong(site.root, server.folder);
    runs += 1;
  }
  if (UNBEARABLE.has(lie)) expectNothingWrong(site.root, server.folder);
  else expectAllThere(site.root, server.folder, 1);
  reportFigures(`a server that ${lie}`, { runs, files: FILES + 1 });
});
