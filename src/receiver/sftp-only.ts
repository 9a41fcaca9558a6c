import type { ServerChannel } from 'ssh2';

/** Answers a command or a shell: a refusal alone leaves the channel open, and the ssh program waiting. */
export const takesSftpOnly = (accept: () => ServerChannel | undefined): void => {
  const channel = accept();
  channel?.resume();
  channel?.stderr.write('isocket receive takes SFTP only\r\n');
  channel?.exit(1);
  channel?.end();
};
