import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createScope } from '../../src/transport-suite/scope.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { makeAppendOnly } from '../support/break-folder.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

it('a folder in which nothing is replaced (chattr +a) teaches nothing of the others', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-append-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const server = stack.use(await startSshd(folder));
  const scope = stack.use(createScope(stack.use(await makeSuiteTarget(folder, server, sftp))));
  mkdirSync(`${server.folder}/DC1`);
  stack.use(await makeAppendOnly(`${server.folder}/DC1`));
  const send = (name: string, content: string, directory: string): Promise<void> =>
    scope.transport.send(
      { ...scope.outgoing(name, Buffer.from(content)), targetPath: `${directory}/${name}` },
      scope.signal,
    );
  await send('adds', 'x', 'DC1');
  expect(readFileSync(`${server.folder}/DC1/adds`, 'utf8')).toBe('x');
  for (const content of ['one', 'second', 'the third']) {
    await send('changes', content, 'DC2');
    expect(readFileSync(`${server.folder}/DC2/changes`, 'utf8')).toBe(content);
  }
});
