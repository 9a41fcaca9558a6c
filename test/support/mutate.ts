import type { Random } from './producers.ts';

const NUMBERS = [0, 1, 2, 4, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const NAMES = [
  '..',
  '/',
  '../../outside/secret',
  'link',
  'link/secret',
  '\0',
  '',
  '.',
  'proc/self/fd',
  'n'.repeat(300),
];

/** Some bytes of a packet are others, more or fewer: its numbers, its names, its end. */
export const mutate = (packet: Buffer, random: Random): Buffer => {
  let bytes: Buffer = Buffer.from(packet);
  for (let times = 1 + random.below(3); times > 0; times -= 1) bytes = mutateOnce(bytes, random);
  return bytes;
};

const mutateOnce = (bytes: Buffer, random: Random): Buffer => {
  const at = random.below(bytes.length);
  switch (random.below(7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      if (bytes.length >= 4) bytes.writeUInt32BE(pick(NUMBERS, random), random.below(bytes.length - 3));
      return bytes;
    case 3:
      return bytes.subarray(0, Math.max(1, at));
    case 4:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.alloc(random.below(16), random.below(256)),
        bytes.subarray(at),
      ]);
    case 5: {
      // A name with its length, where one may stand.
      const name = Buffer.from(pick(NAMES, random), 'latin1');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(name.length);
      return Buffer.concat([bytes.subarray(0, Math.min(5, bytes.length)), length, name, bytes.subarray(at)]);
    }
    default:
      bytes[0] = pick([1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200], random);
      return bytes;
  }
};

export const pick = <T>(items: readonly T[], random: Random): T => {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
};
