import { decodeName, type Name } from '../name.ts';
import type { PacketReader } from './packet-reader.ts';
import { Packet, Status, type Attributes } from './protocol.ts';

/** The server answered a request with a status other than OK. */
export class SftpStatusError extends Error {
  override readonly name = 'SftpStatusError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The channel is gone; whether the server still did what was asked is unknown. */
export class ChannelClosedError extends Error {
  override readonly name = 'ChannelClosedError';
}

export interface DirectoryEntry {
  readonly name: Name;
  readonly attributes: Attributes;
}

/** Reads the packet's type and id. A status where something else was expected is the server's refusal. */
const expect = (reply: PacketReader, type: number): void => {
  const actual = reply.u8();
  reply.u32();
  if (actual === type) return;
  if (actual === Packet.STATUS) throw statusError(reply.u32(), reply);
  throw new ChannelClosedError(`the server answered with packet type ${actual}, not ${type}`);
};

export const expectOk = (reply: PacketReader): void => {
  expect(reply, Packet.STATUS);
  const status = reply.u32();
  if (status !== Status.OK) throw statusError(status, reply);
};

// Copied: the packet's bytes are gone when its reader returns.
export const readHandle = (reply: PacketReader): Buffer => {
  expect(reply, Packet.HANDLE);
  return Buffer.from(reply.bytes());
};

export const readData = (reply: PacketReader): Buffer => {
  expect(reply, Packet.DATA);
  return Buffer.from(reply.bytes());
};

export const readAttributes = (reply: PacketReader): Attributes => {
  expect(reply, Packet.ATTRS);
  return reply.attributes();
};

export const readNames = (reply: PacketReader): DirectoryEntry[] => {
  expect(reply, Packet.NAME);
  const entries: DirectoryEntry[] = [];
  for (let left = reply.u32(); left > 0; left -= 1) {
    const name = decodeName(reply.bytes());
    reply.skip(); // The "ls -l" line: for people.
    entries.push({ name, attributes: reply.attributes() });
  }
  return entries;
};

export const readNumbers = (reply: PacketReader, count: number): number[] => {
  expect(reply, Packet.EXTENDED_REPLY);
  return Array.from({ length: count }, () => reply.u64());
};

const statusError = (status: number, reply: PacketReader): SftpStatusError =>
  new SftpStatusError(status, (reply.remaining >= 4 && reply.text()) || `status ${status}`);
