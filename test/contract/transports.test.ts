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

const EVERYTHING = ['connection', 'resume', 'login', 'full', 'read-only'] as const;
const WITH_LIST = [...EVERYTHING, 'list', 'fetch'] as const;

// The suite for each bundled transport at each of its destinations. ISOCKET_SLOW=1: also a file of more than 4 GiB.
describe.each([
  ['sftp', 'openssh', startSshd, WITH_LIST],
  ['sftp', 'openssh through the ssh program', startSshd, WITH_LIST, { ssh: 'system' }],
  ['sftp', 'receiver', startOwnReceiver, WITH_LIST],
  ['rsync', 'openssh', startSshd, [...EVERYTHING, 'fetch']],
  // The rrsync of rsync 3.5.0 does not let rsync keep a partial file.
  ['rsync', 'rrsync', startRrsync, ['connection', 'login', 'full', 'read-only']],
] as const)('%s to %s', (name, _kind, start, has, more: Readonly<Record<string, unknown>> = {}) => {
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
    has,
    slow: process.env.ISOCKET_SLOW === '1',
  });
});
