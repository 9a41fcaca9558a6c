import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import { produce } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

it('SIGTERM ends a scan whose server hangs, though keep-alives of its sshd flow', { timeout: 25_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-stopped-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const server = stack.use(await startSshd(folder, { config: ['ClientAliveInterval 1', 'ClientAliveCountMax 100'] }));
  const site = makeSite(folder, server, { more: { send: { durable: false, bandwidth: '2MB/s' } } });
  for (let count = 1; count <= 60; count += 1) produce(site.root, `DC1/f${count}`, 100_000);
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  await using scan = site.start(['scan']);
  await scan.event(({ type }) => type === 'sent');
  const far = await childrenOf(Number(readFileSync(`${folder}/sshd/pid`, 'utf8')), 'sftp-server');
  expect(far.length).toBeGreaterThan(0);
  for (const pid of far) process.kill(pid, 'SIGSTOP');
  stack.defer(() => {
    for (const pid of far) process.kill(pid, 'SIGKILL');
  });
  expect(await scan.stop()).toBe(143);
});
