import { execa } from 'execa';
import { writeFileSync } from 'node:fs';
import { freePort, listening } from './ports.ts';

/** HAProxy in front of SSH servers of this host, as docs/scale.md has it: each new connection goes to the one with the fewest that answers. */
export const startHaproxy = async (
  folder: string,
  ports: readonly number[],
): Promise<AsyncDisposable & { readonly port: number }> => {
  const port = await freePort();
  const servers = ports.map((to, index) => `  server receiver${index + 1} 127.0.0.1:${to} check`);
  writeFileSync(
    `${folder}/haproxy.cfg`,
    [
      'defaults',
      '  mode tcp',
      '  timeout connect 5s',
      '  timeout client 24h',
      '  timeout server 24h',
      '  retries 2',
      '  option redispatch',
      'listen ssh',
      `  bind 127.0.0.1:${port}`,
      '  balance leastconn',
      '  option tcp-check',
      '  tcp-check expect string SSH-2.0-',
      '  default-server inter 1s fall 2 rise 2 on-marked-down shutdown-sessions',
      ...servers,
      '',
    ].join('\n'),
  );
  const haproxy = execa('/usr/sbin/haproxy', ['-db', '-f', `${folder}/haproxy.cfg`], { reject: false, buffer: true });
  let died: string | undefined;
  void haproxy.then(({ stderr }) => {
    died = `haproxy ended: ${stderr}`;
  });
  await listening(port, () => died);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      haproxy.kill('SIGTERM');
      await haproxy;
    },
  };
};
