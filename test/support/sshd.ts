import { execa } from 'execa';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { makeKey } from './keys.ts';
import { freePort, listening } from './ports.ts';
import type { TestServer } from './server.ts';

export interface SshdOptions {
  /** Additional lines of sshd_config. */
  readonly config?: readonly string[];
  /** The forced command of the key (`command=` in authorized_keys). */
  readonly command?: (destination: string) => string;
  /** Shares the keys and the files of the one that was started in this folder, as receivers behind one address do. */
  readonly twinOf?: string;
}

/** Starts a real OpenSSH server whose files are in `folder`. */
export const startSshd = async (
  folder: string,
  { config = [], command, twinOf }: SshdOptions = {},
): Promise<TestServer> => {
  const files = `${folder}/sshd`;
  const keys = `${twinOf ?? folder}/sshd`;
  const destination = `${twinOf ?? folder}/destination`;
  mkdirSync(files, { recursive: true });
  mkdirSync('/run/sshd', { recursive: true }); // Debian's sshd needs it for privilege separation.
  mkdirSync(destination, { recursive: true });
  if (twinOf === undefined) {
    await makeKey(`${keys}/host_key`);
    const restriction = command === undefined ? '' : `restrict,command="${command(destination)}" `;
    writeFileSync(`${keys}/authorized_keys`, `${restriction}${await makeKey(`${keys}/user_key`)}\n`);
  }
  const port = await freePort();
  const hostKey = readFileSync(`${keys}/host_key.pub`, 'utf8').trim();
  writeFileSync(`${files}/known_hosts`, `[127.0.0.1]:${port} ${hostKey}\n`);
  writeFileSync(
    `${files}/sshd_config`,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${keys}/host_key`,
      `AuthorizedKeysFile ${keys}/authorized_keys`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PidFile none',
      'Subsystem sftp /usr/lib/openssh/sftp-server',
      // A HOME without shell start-up files, which would run in every session.
      `SetEnv HOME=${files}`,
      ...config,
      '',
    ].join('\n'),
  );
  const sshd = execa('/usr/sbin/sshd', ['-D', '-e', '-f', `${files}/sshd_config`], { reject: false, buffer: true });
  let died: string | undefined;
  void sshd.then((result) => {
    died = `sshd ended: ${result.stderr}`;
  });
  // It listens before it writes its process id: tests read that to find its children.
  writeFileSync(`${files}/pid`, String(sshd.pid));
  await listening(port, () => died);
  return {
    kind: 'openssh',
    port,
    identityFile: `${keys}/user_key`,
    knownHosts: `${files}/known_hosts`,
    path: destination,
    folder: destination,
    [Symbol.asyncDispose]: async () => {
      sshd.kill('SIGTERM');
      await sshd;
    },
  };
};
