import type { ServerChannel } from 'ssh2';

/** Answers a command or a shell: a refusal alone leaves the channel open, and the ssh program waiting. */
export const takesSftpOnly = (accept: () => ServerChannel | undefined): void =>
  endSaying(accept(), 'isocket receive takes SFTP only');

/** Ends a channel with a line for whoever reads its stderr: a refusal of SSH has no text. */
export const endSaying = (channel: ServerChannel | undefined, line: string): void => {
  channel?.resume();
  channel?.stderr.write(`${line}\r\n`);
  channel?.exit(1);
  channel?.end();
};
