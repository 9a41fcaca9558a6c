import type { Readable } from 'node:stream';
import { UserError } from '../../errors.ts';
import { decodeName, type Name } from '../../name.ts';

/** Longer than any path that the kernel takes. */
const MOST_BYTES = 64 * 1024;

/**
 * Names that end with NUL (the last one may go without), each as soon as it is there, and no more in memory than one read gives.
 * @throws UserError where what comes cannot be such names
 */
export const readNames = async function* (input: Readable): AsyncGenerator<Name> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
      if (end > start) yield decodeName(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > MOST_BYTES) {
      throw new UserError(`Cannot read names: ${MOST_BYTES} bytes came without a NUL`, {
        hint: 'end each name with NUL: find … -print0 | isocket send -0 -',
      });
    }
  }
  if (rest.length > 0) yield decodeName(rest);
};
