import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { startRrsync } from '../support/rrsync.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

// What every transport must do, for each of ours at each of its destinations. ISOCKET_SLOW=1: a file of more than 4 GiB, too.
describe.each([
  ['sftp', 'openssh', startSshd, {}],
  ['sftp', 'receiver', startOwnReceiver, {}],
  ['rsync', 'openssh', startSshd, {}],
  ['rsync', 'rrsync', startRrsync, {}],
] as const)('%s to %s', (name, _kind, start, more) => {
  const stack = new AsyncDisposableStack();
  let target: Awaited<ReturnType<typeof makeSuiteTarget>>;

  beforeAll(async () => {
    const plugin = bundledTransport(name);
    if (plugin === undefined) throw new Error(`there is no transport ${name}`);
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    target = stack.use(await makeSuiteTarget(folder, server, plugin, more));
  });
  afterAll(() => stack.disposeAsync());

  transportSuite({
    test,
    target: () => target,
    has: ['line', 'login', 'full', 'read-only'],
    slow: process.env.ISOCKET_SLOW === '1',
  });
});
