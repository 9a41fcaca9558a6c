import type { Connection } from 'ssh2';

/** What ssh2 1.17 writes packets with. */
interface Writing {
  readonly _protocol?: {
    readonly _packetRW?: {
      readonly write?: {
        readonly allocStartKEX?: number;
        readonly alloc?: (bytes: number, evenDuringKeyExchange: boolean) => Buffer;
        readonly finalize?: (packet: Buffer, evenDuringKeyExchange: boolean) => Buffer;
      };
    };
    readonly _cipher?: { readonly encrypt?: (packet: Buffer) => void };
  };
}

const SSH_MSG_DISCONNECT = 1;
/** RFC 4253 §11.1. Not BY_APPLICATION, whose text many clients do not show. */
export const DisconnectReason = { SERVICE_NOT_AVAILABLE: 7, TOO_MANY_CONNECTIONS: 12 } as const;

/**
 * Tells the client why its connection ends: ssh2 sends the message without a text. The connection itself is ended by the caller. An ssh2
 * without these methods sends nothing.
 */
export const tellDisconnect = (client: Connection, reason: number, text: string): void => {
  const { _packetRW: packets, _cipher: cipher } = (client as Writing)._protocol ?? {};
  const { write } = packets ?? {};
  if (write?.allocStartKEX === undefined || write.alloc === undefined || write.finalize === undefined) return;
  if (cipher?.encrypt === undefined) return;
  const bytes = Buffer.from(text);
  const message = Buffer.alloc(1 + 4 + 4 + bytes.length + 4); // Type, reason, text, and an empty language tag.
  message[0] = SSH_MSG_DISCONNECT;
  message.writeUInt32BE(reason, 1);
  message.writeUInt32BE(bytes.length, 5);
  message.set(bytes, 9);
  const packet = write.alloc(message.length, true);
  packet.set(message, write.allocStartKEX);
  cipher.encrypt(write.finalize(packet, true));
};
