import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { produce } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

it('a host that /etc/ssh/ssh_known_hosts alone has is known', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-system-hosts-'));
  try {
    await using server = await startSshd(folder);
    const site = makeSite(folder, server, { destination: { knownHosts: '~/.ssh/known_hosts' } });
    produce(site.root, 'DC1/f', 10);
    mkdirSync(`${folder}/etc-ssh`);
    copyFileSync(server.knownHosts, `${folder}/etc-ssh/ssh_known_hosts`);
    const through = ['unshare', '-m', 'sh', '-c', `mount --bind '${folder}/etc-ssh' /etc/ssh && exec "$@"`, 'sh'];
    await using scan = site.start(['scan'], { through });
    expect(await scan.ended, scan.stderr()).toBe(0);
    expect(existsSync(`${server.folder}/DC1/f`)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
