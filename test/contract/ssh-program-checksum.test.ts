import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScope, expected } from '../../src/transport-suite/scope.ts';
import { bundledTransport } from '../../src/transports/index.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

test('ssh: system verifies checksums with the sha256sum at the destination: files are not read back', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-sums-')), (path) => rmSync(path, { recursive: true }));
  const command = tellingSums(folder);
  const server = stack.use(await startSshd(folder, { command }));
  const plugin = bundledTransport('sftp');
  if (plugin === undefined) throw new Error('there is no sftp');
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin, { ssh: 'system' }))));

  const files = ['one', 'two'].map((name) => scope.outgoing(name, 1000));
  await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
  const verify = async (): Promise<string[]> =>
    (await scope.transport.verify(files.map(expected), { checksum: true }, scope.signal)).map(
      ({ file, kind }) => `${file.targetPath} ${kind}`,
    );
  expect(await verify()).toEqual([]);
  const asked = readFileSync(`${folder}/asked`, 'utf8');
  for (const name of ['one', 'two']) expect(asked).toContain(`${server.folder}/DC1/${name}`);

  writeFileSync(scope.arrived('two'), Buffer.alloc(1000));
  const seconds = Number(files[1]?.identity.mtimeNs) / 1e9;
  utimesSync(scope.arrived('two'), seconds, seconds);
  expect(await verify()).toEqual(['DC1/two different']);
});

/** A sha256sum that tells what it was given, first on the PATH of every session there. */
const tellingSums = (folder: string): ((destination: string) => string) => {
  const programs = `${folder}/programs`;
  mkdirSync(programs);
  writeFileSync(`${programs}/sha256sum`, `#!/bin/sh\necho "$@" >>${folder}/asked\nexec /usr/bin/sha256sum "$@"\n`);
  chmodSync(`${programs}/sha256sum`, 0o755);
  return () => `PATH=${programs}:$PATH; eval \\"$SSH_ORIGINAL_COMMAND\\"`;
};

// As with eight channels at high latency and the ten sessions that OpenSSH allows: more ask for sums at once than it opens sessions for.
test.each([
  // On a loaded machine the line seems long, and eight of them are SFTP channels.
  { sessions: 9, ssh: 'builtin', summedThere: 40 },
  { sessions: 2, ssh: 'system', summedThere: 40 },
  // There is no session beside the SFTP channel: all is read back.
  { sessions: 1, ssh: 'builtin', summedThere: 0 },
] as const)(
  'checksums where the server opens $sessions sessions ($ssh): $summedThere of 40 are computed there',
  async ({ sessions, ssh, summedThere }) => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-sums-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const command = tellingSums(folder);
    const server = stack.use(await startSshd(folder, { command, config: [`MaxSessions ${sessions}`] }));
    const plugin = bundledTransport('sftp');
    if (plugin === undefined) throw new Error('there is no sftp');
    const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, plugin, { ssh }))));
    const files = Array.from({ length: 40 }, (_, index) => scope.outgoing(`file-${index}`, 100_000));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    const wrong = await Promise.all(
      files.map((file) => scope.transport.verify([expected(file)], { checksum: true }, scope.signal)),
    );
    expect(wrong.flat()).toEqual([]);
    const asked = existsSync(`${folder}/asked`) ? readFileSync(`${folder}/asked`, 'utf8') : '';
    expect(new Set(asked.match(/DC1\/file-\d+/g)).size).toBe(summedThere);
  },
);
