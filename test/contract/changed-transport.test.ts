import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createScope, OWNER } from '../../src/transport-suite/scope.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

it.each(['sftp', 'rsync'])('%s tidies what the other one of the two has left of the same site', async (name) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-changed-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const plugin = bundledTransport(name);
  if (plugin === undefined) throw new Error(`there is no ${name}`);
  const server = stack.use(await startSshd(folder));
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin))));
  const at = `${server.folder}/DC1`;
  mkdirSync(`${at}/.isocket-${OWNER}.part`, { recursive: true });
  writeFileSync(`${at}/.isocket-${OWNER}.part/big`, 'half');
  writeFileSync(`${at}/.isocket-${OWNER}-0123456789ab1.part`, 'half');
  writeFileSync(`${at}/.isocket-76543210-0123456789ab1.part`, 'of another site');
  await scope.transport.send(scope.outgoing('file', 10), scope.signal);
  await scope.transport.tidy(['DC1'], scope.signal);
  expect(readdirSync(at).toSorted()).toEqual(['.isocket-76543210-0123456789ab1.part', 'file']);
  expect(existsSync(`${at}/file`)).toBe(true);
});
