import { readFileSync } from 'node:fs';

/** With AES instructions in the processor these are faster than OpenSSH's default first choice, chacha20-poly1305. */
const HARDWARE_CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

/**
 * The ciphers that ssh is configured to offer this host, hardware-accelerated ones first; no cipher is added. undefined: leave
 * ssh's own order.
 * @param configuration the output of `ssh -G`
 */
export const fastCiphers = (configuration: string): string | undefined =>
  hasAesInstructions(readFileSync('/proc/cpuinfo', 'latin1')) ? hardwareFirst(configuration) : undefined;

/** Pure. Knows the formats of x86 (`flags`) and ARM (`Features`). */
export const hasAesInstructions = (cpuinfo: string): boolean => /^(?:flags|Features)\s*:.*\baes\b/m.test(cpuinfo);

/** Pure. Output of `ssh -G` → its ciphers, hardware-accelerated ones first; undefined where it has none of them. */
export const hardwareFirst = (configuration: string): string | undefined => {
  const ciphers = /^ciphers (\S+)$/m.exec(configuration)?.[1]?.split(',') ?? [];
  const first = HARDWARE_CIPHERS.filter((cipher) => ciphers.includes(cipher));
  if (first.length === 0) return undefined;
  return [...first, ...ciphers.filter((cipher) => !first.includes(cipher))].join(',');
};
