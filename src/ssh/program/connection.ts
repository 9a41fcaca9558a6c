import type { Duplex } from 'node:stream';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { withRefusal } from '../../sftp/receiver-words.ts';
import type { OpenSshLogin } from './options.ts';
import { startMaster } from './master.ts';
import { openExecChannel, openSftpChannel, type SftpChannel } from './sftp-channel.ts';
import type { SshConnection } from '../connection.ts';

/**
 * An SSH connection by the ssh program, which supports what ssh2 does not: certificates, ProxyJump, FIDO keys, Match and Include of
 * `ssh_config`. It checks the host key against its own `known_hosts`. Each channel is a child `ssh -s … sftp` through that login.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connectSystemSsh = async (
  login: OpenSshLogin,
  { stateFolder, where }: { readonly stateFolder: string; readonly where: string },
  signal: AbortSignal,
): Promise<SshConnection> => {
  const master = await startMaster(login, { stateFolder, where }, signal);
  const channels = new Set<SftpChannel>();
  let lastInbound = performance.now();
  const track = (channel: SftpChannel): Promise<Duplex> => {
    channels.add(channel);
    void channel.ended.then(() => channels.delete(channel));
    return Promise.resolve(channel.duplex);
  };
  const openSftp = async (): Promise<SftpClient> => {
    const channel = openSftpChannel(master.socket, noteInbound);
    try {
      return await openSftpClient(await track(channel));
    } catch (error) {
      await channel.ended;
      throw withRefusal(error, channel.said());
    }
  };
  const noteInbound = (): void => {
    lastInbound = performance.now();
  };
  const lost = (): Promise<never> => Promise.reject(new Error(master.lost()));
  return {
    get closed() {
      return master.closed;
    },
    handshakeMs: undefined,
    openSftp: () => (master.closed ? lost() : openSftp()),
    openExec: (command) => (master.closed ? lost() : track(openExecChannel(master.socket, command, noteInbound))),
    silentMs: () => performance.now() - lastInbound,
    onClose: (listener) => master.onClose(listener),
    close: async () => {
      const open = [...channels];
      for (const { duplex } of open) duplex.destroy();
      await Promise.all(open.map(({ ended }) => ended));
      await master[Symbol.asyncDispose]();
    },
  };
};
