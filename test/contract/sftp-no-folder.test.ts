import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import type { ProbeResult } from '../../src/transport.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// The login goes well, and there is no folder to send to: `check` and `scan` say why, with the same cure.

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-no-folder-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The last line of `check` that concerns the destination. */
const probeEnd = async ({ port, identityFile, knownHosts }: TestServer, path: string): Promise<ProbeResult> => {
  const options = sftp.parseOptions({ transport: 'sftp', host: '127.0.0.1', port, user: 'root', identityFile, knownHosts, path }); // prettier-ignore
  const context = { site: 'test', owner: '01234567', stateFolder: `${folder}/state`, durable: true, bandwidth: null };
  await using transport = sftp.connect(options, { ...context, log: () => undefined });
  let last: ProbeResult | undefined;
  for await (last of transport.probe(new AbortController().signal));
  if (last === undefined) throw new Error('nothing was probed');
  return last;
};

const scanOne = async (of: TestServer, name: string, path: string): Promise<string> => {
  const { config, root } = makeSite(folder, of, { name, destination: { path } });
  produce(root, 'DC1/f', 10);
  writeFileSync(`${root}/DC1/finished.parse`, '');
  const { code, said } = await runCommand(() => scan({ config }));
  expect(code, said).toBe(3);
  return said;
};

it('a chroot that others than root may write: the reason is in the server’s log only', async () => {
  const files = join(folder, 'open');
  mkdirSync(`${files}/jail`, { recursive: true });
  await using jailed = await startSshd(files, {
    config: [`ChrootDirectory ${tmpdir()}`, 'ForceCommand internal-sftp'],
  });
  const cure = 'ChrootDirectory';
  const line = await probeEnd(jailed, '/up');
  expect(line).toMatchObject({ what: 'sftp', state: 'failure' });
  expect(line.hint).toContain(cure);
  expect(await scanOne(jailed, 'jail', '/up')).toContain(cure);
});

it('a path that is seen otherwise from the chroot is told, with what it is there', async () => {
  const jail = mkdtempSync('/run/isocket-jail-'); // Nobody else can write there.
  try {
    await using jailed = await startSshd(jail, {
      config: [`ChrootDirectory ${jail}`, 'ForceCommand internal-sftp'],
    });
    const path = `${jail}/destination`;
    expect(await probeEnd(jailed, path)).toMatchObject({
      what: 'folder',
      state: 'failure',
      hint: 'set destination.path: /destination',
    });
    expect(readdirSync(jail)).toEqual(['destination', 'sshd']);
  } finally {
    rmSync(jail, { recursive: true });
  }
});

it('no sftp subsystem: the cure is that', async () => {
  const files = join(folder, 'none');
  mkdirSync(files);
  await using without = await startSshd(files, { config: ['ForceCommand /bin/false'] });
  const line = await probeEnd(without, '/up');
  expect(line).toMatchObject({ what: 'sftp', state: 'failure' });
  expect(line.hint).toContain('Subsystem sftp internal-sftp');
  expect(await scanOne(without, 'none', '/up')).toContain('Subsystem sftp internal-sftp');
});

it('a login shell that prints something: the cure is that, and that alone', async () => {
  const files = join(folder, 'prints');
  mkdirSync(files);
  await using prints = await startSshd(files, {
    config: ['ForceCommand echo "Welcome to the machine"; exec /usr/lib/openssh/sftp-server'],
  });
  const line = await probeEnd(prints, '/up');
  expect(line).toMatchObject({ what: 'sftp', state: 'failure' });
  expect(line.message).toMatch(/text came where an SFTP packet was expected, "Welcome to the machine"$/);
  expect(line.hint).toMatch(/^see the login shell .*start-up files have to print nothing/);
  expect(await scanOne(prints, 'prints', '/up')).not.toContain('ChrootDirectory');
});

it('destination.path is a file, or leads through one', async () => {
  writeFileSync(`${server.folder}/file`, 'x');
  for (const path of [`${server.path}/file`, `${server.path}/file/deeper`]) {
    expect(await probeEnd(server, path)).toMatchObject({
      what: 'folder',
      state: 'failure',
      message: `Cannot use folder "${server.path}/file" at the destination: it is not a directory`,
      hint: expect.stringContaining('correct destination.path') as string,
    });
    expect(await scanOne(server, `file${path.length}`, path)).toContain('it is not a directory');
  }
});
