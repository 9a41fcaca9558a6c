import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScope, type Scope } from '../../src/transport-suite/scope.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { sendBatch } from '../../src/transports/rsync/batch.ts';
import { createDurableNames } from '../../src/transports/rsync/durable-names.ts';
import { parseRsyncOptions } from '../../src/transports/rsync/options.ts';
import { PendingSend } from '../../src/transports/rsync/pending-send.ts';
import { createRuns } from '../../src/transports/rsync/runs.ts';
import { openSession, type Session } from '../../src/transports/rsync/session.ts';
import type { TransportError } from '../../src/transport.ts';
import { makeReadOnly } from '../support/break-folder.ts';
import { childrenOf } from '../support/children-of.ts';
import { writtenOrOver } from '../support/far-end.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

const LIMITS = { quietMs: 1500, afterErrorMs: 500 };

const open = async (
  stack: AsyncDisposableStack,
): Promise<{
  readonly session: Session;
  readonly server: TestServer;
  readonly scope: Scope;
  readonly folder: string;
}> => {
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-stalled-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const plugin = bundledTransport('rsync');
  if (plugin === undefined) throw new Error('there is no rsync');
  const server = stack.use(await startSshd(folder));
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin))));
  const login = { host: '127.0.0.1', port: server.port, user: 'root', path: server.path };
  const keys = { identityFile: server.identityFile, knownHosts: server.knownHosts };
  const options = parseRsyncOptions({ transport: 'rsync', ...login, ...keys });
  const opened = await openSession(options, scope.context(), 'here', scope.signal);
  stack.defer(() => opened.close());
  return { session: { ...opened, runs: createRuns(opened.master, LIMITS) }, server, scope, folder };
};

// rsync 3.5.0 waits for ever with --remove-source-files; its --timeout does not fire, since keep-alives flow.
test('a run in lockstep into a folder that is read-only ends, with the reason of each file', async () => {
  await using stack = new AsyncDisposableStack();
  const { session, server, scope } = await open(stack);
  mkdirSync(`${server.folder}/DC1`);
  stack.use(await makeReadOnly(`${server.folder}/DC1`));
  const batch = Array.from(
    { length: 200 },
    (_, index) => new PendingSend(scope.outgoing(`f${index}`, 10), scope.signal),
  );
  const outcomes = Promise.allSettled(batch.map(({ outcome }) => outcome));
  const { unsent, stalled } = await sendBatch(
    session,
    batch,
    { lockstep: true },
    { signal: scope.signal, isAsked: false },
  );
  // As the queue does: what was not tried goes in a run without lockstep.
  await sendBatch(session, unsent, { lockstep: !stalled }, { signal: scope.signal, isAsked: false });
  for (const outcome of await outcomes) {
    const { class: kind, message } = (outcome as PromiseRejectedResult).reason as TransportError;
    expect(kind).toBe('file');
    expect(message).toContain('Operation not permitted');
  }
});

test('a far rsync that is stopped while its sshd lives is noticed, and what it had is sent again', async () => {
  await using stack = new AsyncDisposableStack();
  const { session, server, scope, folder } = await open(stack);
  const sshd = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
  const slow = { ...session, context: { ...session.context, bandwidth: 8 * 1024 * 1024 } };
  const send = new PendingSend(scope.outgoing('big', 16 * 1024 * 1024), scope.signal);
  const sending = sendBatch(slow, [send], { lockstep: false }, { signal: scope.signal, isAsked: false });
  const ended = sending.then(() => undefined);
  expect(await writtenOrOver(server.folder, 1024 * 1024, { ended })).toBe('written');
  const far = await childrenOf(sshd, 'rsync');
  for (const pid of far) process.kill(pid, 'SIGSTOP');
  stack.defer(() => {
    for (const pid of far) process.kill(pid, 'SIGKILL');
  });
  const failed = send.outcome.then(
    () => undefined,
    (error: unknown) => error as TransportError,
  );
  expect(await sending).toMatchObject({ connectionLost: true, stalled: true });
  expect(await failed).toMatchObject({
    class: 'network',
    message: expect.stringMatching(/no progress for \d+ s/) as string,
  });
});

test('an SFTP channel beside rsync that falls silent is given up', async () => {
  await using stack = new AsyncDisposableStack();
  const { session, server, folder } = await open(stack);
  const context = { durable: true, log: () => undefined };
  const names = createDurableNames(session.master, server.path, context, {
    limits: { allMs: 1_000, oneMs: 60_000, slowMs: 60_000 },
  });
  stack.defer(() => names.close());
  await names.sync(new Set(['']));
  const far = await childrenOf(Number(readFileSync(`${folder}/sshd/pid`, 'utf8')), 'sftp-server');
  expect(far.length).toBeGreaterThan(0);
  for (const pid of far) process.kill(pid, 'SIGSTOP');
  stack.defer(() => {
    for (const pid of far) process.kill(pid, 'SIGKILL');
  });
  await expect(names.sync(new Set(['']))).rejects.toThrow('has not answered');
});

test('an SFTP channel beside rsync that the server has closed meanwhile is opened anew', async () => {
  await using stack = new AsyncDisposableStack();
  const { session, server, folder } = await open(stack);
  const said: string[] = [];
  const names = createDurableNames(session.master, server.path, {
    durable: true,
    log: (_level, message) => said.push(message),
  });
  stack.defer(() => names.close());
  await names.sync(new Set(['']));
  const far = await childrenOf(Number(readFileSync(`${folder}/sshd/pid`, 'utf8')), 'sftp-server');
  expect(far.length).toBeGreaterThan(0);
  for (const pid of far) process.kill(pid, 'SIGKILL');
  await Promise.all([names.sync(new Set([''])), names.sync(new Set(['']))]);
  expect(said).toEqual([]);
});
