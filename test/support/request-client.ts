import { silentLog } from '../../src/receiver/client-log.ts';
import { createRequestServer } from '../../src/receiver/requests.ts';
import type { RequestContext } from '../../src/receiver/request-table.ts';
import { PacketReader } from '../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { Packet, Status } from '../../src/sftp/protocol.ts';

/** Sends one request and resolves with its reply. */
export type Ask = (
  type: number,
  fields: (writer: PacketWriter) => PacketWriter,
) => Promise<{ type: number; status: number; raw: Buffer; body: PacketReader }>;

/** A session with the receiver's request server, without SSH, after INIT. */
export const openSession = (context: Omit<RequestContext, 'reply' | 'log'> & Partial<Pick<RequestContext, 'log'>>) => {
  const reply = new PacketWriter();
  const serve = createRequestServer({ log: silentLog, ...context, reply });
  void serve(Buffer.from([Packet.INIT, 0, 0, 0, 3]));
  reply.take();
  const ask: Ask = async (type, fields) => {
    const writer = new PacketWriter();
    fields(writer.begin(type).u32(7)).end();
    await serve(writer.take().subarray(4));
    const raw = reply.take().subarray(4);
    const body = new PacketReader(raw);
    const answer = body.u8();
    if (body.u32() !== 7) throw new Error('the reply to another request');
    return { type: answer, status: answer === Packet.STATUS ? body.u32() : Status.OK, raw, body };
  };
  return { serve, ask };
};
