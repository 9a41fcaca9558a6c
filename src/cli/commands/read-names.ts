import type { Readable } from 'node:stream';
import { UserError } from '../../errors.ts';
import { decodeName, type Name } from '../../name.ts';

/** Longer than any path that the kernel accepts. */
const MAX_NAME_BYTES = 64 * 1024;

/**
 * Names that end with NUL (optional for the last one), each as soon as it is complete; holds no more than one read in memory.
 * @throws UserError where the input cannot be NUL-separated names
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
    if (rest.length > MAX_NAME_BYTES) {
      throw new UserError(`Cannot read names: ${MAX_NAME_BYTES} bytes without a NUL`, {
        hint: 'end each name with NUL: find … -print0 | isocket send -0 -',
      });
    }
  }
  if (rest.length > 0) yield decodeName(rest);
};
