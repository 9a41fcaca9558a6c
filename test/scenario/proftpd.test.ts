import { execa } from 'execa';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readDocuments } from '../support/documents.ts';
import { parser } from '../support/parser.ts';
import { makeServerFiles, startProgram, withFiles } from '../support/servers/server-process.ts';
import { makeSite } from '../support/site.ts';

// The configuration of ProFTPD that docs/servers.md has, as it is but for places and the port.

const configuration = readDocuments()
  .flatMap(({ blocks }) => blocks)
  .find(({ text }) => text.startsWith('LoadModule mod_sftp.c'));

const UID = 47_110;

it('a site is sent to ProFTPD as docs/servers.md configures it', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'isocket-proftpd-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const made = await makeServerFiles(folder);
  const { files, port, hostKey, userKey } = made;
  chmodSync(files, 0o755);
  const [home, place] = [`${folder}/home`, `${folder}/home/ED1`];
  mkdirSync(place, { recursive: true });
  chownSync(place, UID, UID);
  mkdirSync(`${files}/keys`);
  writeFileSync(`${files}/keys/isocket`, (await execa('ssh-keygen', ['-e', '-f', `${userKey}.pub`])).stdout);
  const account = `isocket:x:${UID}:${UID}::${home}:/usr/sbin/nologin\n`;
  writeFileSync(`${files}/passwd`, `${readFileSync('/etc/passwd', 'utf8').replace(/^isocket:.*\n/m, '')}${account}`);
  const moved = String(configuration?.text)
    .replace('0.0.0.0', '127.0.0.1')
    .replace('2222', String(port))
    .replace('/var/log/proftpd', files)
    .replace('/etc/ssh/ssh_host_ed25519_key', hostKey)
    .replace('/etc/proftpd/authorized_keys', `${files}/keys`);
  const around = `ServerType standalone\nDefaultAddress 127.0.0.1\nPort 0\nUser nobody\nGroup nogroup\nPidFile ${files}/pid\nScoreboardFile ${files}/scoreboard\nDelayTable none\nWtmpLog off\nSystemLog ${files}/log\n`;
  writeFileSync(`${files}/proftpd.conf`, around + moved);
  const command = ['/usr/sbin/proftpd', '-n', '-q', '-c', `${files}/proftpd.conf`];
  const server = await startProgram(made, withFiles({ '/etc/passwd': `${files}/passwd` }, command), { path: '/ED1' });
  stack.use(server);
  const site = makeSite(folder, server, { destination: { user: 'isocket' } });
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  const checked = await site.run(['check']);
  expect(checked.exitCode, checked.stdout).toBe(0);
  expect(checked.stdout).toMatch(/ 1 warning, 0 failures/);
  writeFiles('DC1', 3);
  await site.scan();
  writeFile('DC1/file-1');
  closeDirectory('DC1');
  expect(await site.scan()).toMatchObject({ exitCode: 0, summary: { finished: 1 } });
  expect((await site.run(['verify', '--checksum'])).exitCode).toBe(0);
  expect(existsSync(`${place}/DC1/file-1`)).toBe(true);
});
