import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScope } from '../../src/transport-suite/scope.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { sendBatch } from '../../src/transports/rsync/batch.ts';
import { parseRsyncOptions } from '../../src/transports/rsync/options.ts';
import { PendingSend } from '../../src/transports/rsync/pending-send.ts';
import { openSession } from '../../src/transports/rsync/session.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

// Whether a transport uses lockstep depends on the machine's speed at the moment: here it is set.
test.each([true, false])('a run with a bad file confirms all others; lockstep: %s', async (lockstep) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-lockstep-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const plugin = bundledTransport('rsync');
  if (plugin === undefined) throw new Error('there is no rsync');
  const server = stack.use(await startSshd(folder));
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin))));
  const login = { host: '127.0.0.1', port: server.port, user: 'root', path: server.path };
  const keys = { identityFile: server.identityFile, knownHosts: server.knownHosts };
  const options = parseRsyncOptions({ transport: 'rsync', ...login, ...keys });
  const session = await openSession(options, scope.context(), 'here', scope.signal);
  stack.defer(() => session.close());

  const names = Array.from({ length: 40 }, (_, index) => `file-${index}`);
  mkdirSync(`${server.folder}/DC1/file-20/in the way`, { recursive: true });
  const batch = names.map((name) => new PendingSend(scope.outgoing(name, 1000), scope.signal));
  const outcomes = Promise.allSettled(batch.map(({ outcome }) => outcome));
  const { unsent, connectionLost } = await sendBatch(
    session,
    batch,
    { lockstep },
    { signal: scope.signal, isAsked: false },
  );
  expect({ unsent, connectionLost }).toEqual({ unsent: [], connectionLost: false });
  const failed = (await outcomes).map(({ status }) => status === 'rejected');
  expect(names.filter((_name, index) => failed[index])).toEqual(['file-20']);
  for (const name of names.filter((other) => other !== 'file-20'))
    expect(readFileSync(`${server.folder}/DC1/${name}`).equals(readFileSync(scope.sourcePath(name)))).toBe(true);
});
