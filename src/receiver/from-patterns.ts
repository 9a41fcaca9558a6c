import { BlockList, isIP } from 'node:net';

/** `::ffff:192.0.2.1` is how a socket for both families names an IPv4 address. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

/** What counts as one source: an IPv4 address; of IPv6 the network of 64 bits, all of which one host can use. */
export const sourceOf = (address: string): string => {
  const plain = plainAddress(address).split('%', 1)[0] ?? '';
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  const groups = [...(first ?? []), ...Array<string>(Math.max(0, zeros)).fill('0'), ...(last ?? [])];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
};

type Test = (address: string) => boolean;

/**
 * `from="…"` as OpenSSH has it: addresses, networks and patterns, of which one must match and none behind a "!" may. Names are not
 * looked up: whoever has the address can choose the name.
 * @returns undefined for what is none of these
 */
export const parseFrom = (list: string): Test | undefined => {
  const allowed: Test[] = [];
  const denied: Test[] = [];
  for (const item of list.split(',').map((text) => text.trim())) {
    const isDenied = item.startsWith('!');
    const test = parsePattern(isDenied ? item.slice(1) : item);
    if (test === undefined) return undefined;
    (isDenied ? denied : allowed).push(test);
  }
  return (address) => {
    const plain = plainAddress(address).split('%', 1)[0] ?? '';
    return !denied.some((test) => test(plain)) && allowed.some((test) => test(plain));
  };
};

const parsePattern = (pattern: string): Test | undefined => {
  const [, network = '', prefix] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(pattern) ?? [];
  const family = isIP(network);
  if (family !== 0) return inNetwork(network, family === 4 ? 32 : 128, prefix);
  if (!/^[\da-f.:]*[*?][\da-f.:*?]*$/i.test(pattern)) return undefined;
  const expression = pattern.replaceAll('.', '\\.').replaceAll(/\*+/g, '.*').replaceAll('?', '.');
  return (address) => new RegExp(`^${expression}$`, 'i').test(address);
};

const inNetwork = (network: string, most: 32 | 128, prefix = String(most)): Test | undefined => {
  if (Number(prefix) > most) return undefined;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), most === 32 ? 'ipv4' : 'ipv6');
  return (address) => isIP(address) === (most === 32 ? 4 : 6) && list.check(address, most === 32 ? 'ipv4' : 'ipv6');
};
