import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { produce } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

it('a root that is another folder at the end of a scan is no success', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-root-away-'));
  try {
    await using server = await startSshd(folder);
    const site = makeSite(folder, server, {
      more: { send: { durable: false, bandwidth: '2MB/s', retry: { first: '10ms', most: '50ms' } } },
    });
    for (let file = 0; file < 60; file += 1) produce(site.root, `DC1/f${file}`, 100_000);
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    await using scan = site.start(['scan', '--verbose']);
    await scan.event(({ type }) => type === 'sent');
    renameSync(site.root, `${site.root}.away`);
    mkdirSync(site.root);
    expect(await scan.ended).toBe(3);
    expect(JSON.stringify(scan.events)).toContain('it is another folder than at the start: was it unmounted?');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
