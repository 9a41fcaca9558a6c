import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

// The rules for every transport are in transports.test.ts; this one depends on the names of sftp's temporary files.
describe.each([
  ['openssh', startSshd],
  ['receiver', startOwnReceiver],
] as const)('sftp to %s', (_kind, start) => {
  it('removes its own temporary files and no others', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-contract-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await start(folder));
    const target = stack.use(await makeSuiteTarget(folder, server, sftp));
    const context = {
      site: 'test',
      owner: '01234567',
      stateFolder: `${folder}/state`,
      durable: false,
      bandwidth: null,
    };
    const transport = stack.use(target.connect({ ...context, log: () => undefined }));
    mkdirSync(`${server.folder}/DC1`);
    const others = ['.hidden.part', '.isocket-76543210-other.part', 'mine.part'];
    for (const name of [...others, '.isocket-01234567-left.part']) writeFileSync(`${server.folder}/DC1/${name}`, '');
    await transport.tidy(['DC1', 'not-there'], new AbortController().signal);
    expect(readdirSync(`${server.folder}/DC1`).toSorted()).toEqual(others);
  });
});
