import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openSftpClient, type SftpClient } from '../../../src/sftp/client.ts';
import { HandleLimit } from '../../../src/sftp/open-handles.ts';
import { OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { startPeer, type PeerRequest, type Peer } from '../../support/sftp-peer.ts';

/** A server that gives the handles that `give` returns, and refuses to open where it returns undefined. */
const connect = async (give: (open: number) => number | undefined, limit = new HandleLimit()) => {
  let most = 0;
  let open = 0;
  const serve = ({ type, id }: PeerRequest, peer: Peer): void => {
    if (type === Packet.CLOSE) open -= 1;
    if (type !== Packet.OPEN) return peer.status(id);
    const number = give(open);
    if (number === undefined) return peer.status(id, Status.FAILURE);
    open += 1;
    most = Math.max(most, open);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(number);
    peer.handle(id, handle);
  };
  const client = await openSftpClient(startPeer([], serve).channel);
  client.shareHandleLimit(limit);
  return { client, limit, most: () => most };
};

const openFile = (client: SftpClient): Promise<Buffer> => client.open('f', OpenFlag.WRITE, {});

const send = async (client: SftpClient): Promise<void> => {
  const handle = await openFile(client);
  await client.burst((commands) => commands.close(handle));
};

it('a server that gives one handle twice: nothing that was open is used, and then one is open at a time', async () => {
  let given = 0;
  const reusing = await connect(() => Math.min(1, given++));
  const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => openFile(reusing.client)));
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2);
  expect(reusing.client.closed).toBe(true);
  await expect(openFile(reusing.client)).rejects.toThrow('one handle to two files');
  expect(reusing.limit).toMatchObject({ current: 1, isReusing: true });
  const again = await connect(() => 1, reusing.limit);
  await Promise.all(Array.from({ length: 20 }, () => send(again.client)));
  expect(again.most()).toBe(1);
});

it('a handle that is given again after its CLOSE was answered is another one', async () => {
  const { client, limit } = await connect(() => 7);
  for (let file = 0; file < 3; file += 1) await client.close(await openFile(client));
  expect(limit.isReusing).toBe(false);
  // Both replies come in one piece, before any promise is settled.
  const first = await openFile(client);
  const [, second] = await Promise.all([client.close(first), openFile(client)]);
  const [, third] = await Promise.all([client.burst((commands) => commands.close(second)), openFile(client)]);
  await client.close(third);
  expect(limit.isReusing).toBe(false);
});

it.each([1, 16, 100])(
  'a server that allows %i handles and does not say so: as many as go, and no file fails',
  async (allowed) => {
    let next = 0;
    let refusals = 0;
    const { client, most, limit } = await connect((open) => {
      if (open < allowed) return next++;
      refusals += 1;
      return undefined;
    });
    await Promise.all(Array.from({ length: 1500 }, () => send(client)));
    expect(most()).toBe(allowed);
    expect(limit.current).toBeGreaterThanOrEqual(allowed / 8);
    expect(limit.current).toBeLessThanOrEqual(allowed);
    // What was learned holds: no more of them are refused later.
    const before = refusals;
    await Promise.all(Array.from({ length: 400 }, () => send(client)));
    expect(refusals).toBe(before);
  },
);

it('one file that cannot be opened does not lower the limit for the others', async () => {
  let opens = 0;
  const { client, limit } = await connect(() => (opens++ === 0 ? undefined : opens > 40 ? undefined : opens));
  await expect(openFile(client)).rejects.toThrow('said the peer');
  expect(limit.current).toBe(4);
  const handles = await Promise.all(Array.from({ length: 3 }, () => openFile(client)));
  opens = 100;
  const refused = openFile(client);
  refused.catch(() => undefined);
  await turn();
  await Promise.all(handles.map((handle) => client.close(handle)));
  await expect(refused).rejects.toThrow('said the peer');
  expect(limit.current).toBeGreaterThanOrEqual(4);
});

it('many files that cannot be opened all fail in the end', async () => {
  const { client } = await connect(() => undefined);
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => openFile(client)));
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
});

it('a listener learns of how many handles a channel has died, and of no channel that we closed', async () => {
  const deaths: number[] = [];
  const listen = async (end: (peer: Peer, client: SftpClient) => void): Promise<void> => {
    const peer = startPeer([], ({ id, type }, us) =>
      type === Packet.OPEN ? us.handle(id, Buffer.from([0, 0, 0, id])) : us.status(id),
    );
    const client = await openSftpClient(peer.channel);
    client.onClosed((open) => deaths.push(open));
    await Promise.all([openFile(client), openFile(client)]);
    end(peer, client);
    await turn();
    await turn();
    expect(client.closed).toBe(true);
  };
  await listen((peer) => peer.die());
  await listen((_, client) => client.destroy());
  expect(deaths).toEqual([2]);
});
