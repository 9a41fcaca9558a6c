import { mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScope, expected } from '../../src/transport-suite/scope.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

test('rsync verifies a time before 1970, and files in a folder that is a link at the destination', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-rsync-verify-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const plugin = bundledTransport('rsync');
  if (plugin === undefined) throw new Error('there is no rsync');
  const server = stack.use(await startSshd(folder));
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin))));
  scope.outgoing('old', 1000);
  const time = new Date(-305_000_000_500);
  utimesSync(scope.sourcePath('old'), time, time);
  const files = [scope.describe('old'), scope.outgoing('new', 1000)];
  await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
  const verify = () => scope.transport.verify(files.map(expected), { checksum: false }, scope.signal);
  expect(await verify()).toEqual([]);

  // Newer rsyncs follow no link out of the destination, neither for a send nor for a comparison.
  renameSync(`${server.folder}/DC1`, `${server.folder}/elsewhere`);
  symlinkSync('elsewhere', `${server.folder}/DC1`);
  expect(await verify()).toEqual([]);
  rmSync(`${server.folder}/elsewhere/new`);
  expect((await verify()).map(({ file, kind }) => `${file.targetPath} ${kind}`)).toEqual(['DC1/new missing']);
});
