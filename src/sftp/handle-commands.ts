import { Extension, Packet, type Attributes } from './protocol.ts';
import type { Encode } from './request-channel.ts';

/** Commands on an open handle, which the server answers with a status only. */
export interface HandleCommands<Done> {
  /** `data` is encoded before this returns and may be reused afterwards. */
  write(handle: Buffer, offset: number, data: Buffer): Done;
  fsetstat(handle: Buffer, attributes: Attributes): Done;
  fsync(handle: Buffer): Done;
  close(handle: Buffer): Done;
}

/** Passes each command to `run`. */
export const handleCommands = <Done>(
  run: (type: number, encode: Encode, name?: string) => Done,
): HandleCommands<Done> => ({
  write: (handle, offset, data) => run(Packet.WRITE, (packet) => packet.bytes(handle).u64(offset).bytes(data)),
  fsetstat: (handle, attributes) => run(Packet.FSETSTAT, (packet) => packet.bytes(handle).attributes(attributes)),
  fsync: (handle) => run(Packet.EXTENDED, (packet) => packet.bytes(Extension.FSYNC).bytes(handle), 'fsync'),
  close: (handle) => run(Packet.CLOSE, (packet) => packet.bytes(handle)),
});
