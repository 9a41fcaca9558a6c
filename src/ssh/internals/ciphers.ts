import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Client, Connection } from 'ssh2';
import { PacketBuffers, type PacketCipher } from './packet-buffers.ts';

/** Where ssh2 1.17 keeps the keys from which it makes, for each packet, an AES-GCM cipher or an HMAC. */
interface Ciphers {
  readonly _protocol?: {
    readonly _cipher?: PacketCipher & { _encKey?: Buffer | KeyObject; _macKey?: Buffer | KeyObject };
    readonly _decipher?: { _decipherKey?: Buffer | KeyObject; _macKey?: Buffer | KeyObject };
  };
}

/**
 * Replaces the connection's raw keys by `KeyObject`s after each key exchange. Given bytes, Node builds a key object for every cipher,
 * which is two thirds of the CPU time of a small packet, and for an HMAC a quarter of that of a large one. Other ciphers, and an ssh2 without
 * these fields, stay as they are.
 */
export const prepareCiphers = (client: Client | Connection): void => {
  (client as Client).on('handshake', () => {
    const { _cipher: cipher, _decipher: decipher } = (client as Ciphers)._protocol ?? {};
    if (Buffer.isBuffer(cipher?._encKey)) {
      cipher._encKey = createSecretKey(cipher._encKey);
      new PacketBuffers().serve(cipher);
    }
    if (Buffer.isBuffer(decipher?._decipherKey)) decipher._decipherKey = createSecretKey(decipher._decipherKey);
    for (const side of [cipher, decipher])
      if (Buffer.isBuffer(side?._macKey) && side._macKey.length > 0) side._macKey = createSecretKey(side._macKey);
  });
};
