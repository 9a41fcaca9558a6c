import { execa } from 'execa';
import { CHILD_OPTIONS } from '../../child-options.ts';
import { readFileSync } from 'node:fs';
import type { OpenSshLogin } from './options.ts';

/** With AES instructions in the processor these are faster than OpenSSH's default first choice, chacha20-poly1305. */
const HARDWARE_CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

/** `ssh -G` makes no connection, but a `Match` of ssh_config may resolve names. */
const QUERY_TIMEOUT_MS = 5_000;

/**
 * The ciphers that ssh is configured to offer this host, hardware-accelerated ones first; no cipher is added. undefined: leave
 * ssh's own order.
 */
export const fastCiphers = async ({ host, port, user }: OpenSshLogin): Promise<string | undefined> => {
  if (!hasAesInstructions(readFileSync('/proc/cpuinfo', 'latin1'))) return undefined;
  const login = [...(port === undefined ? [] : ['-p', String(port)]), ...(user === undefined ? [] : ['-l', user])];
  const { exitCode, stdout } = await execa('ssh', ['-G', ...login, '--', host], {
    ...CHILD_OPTIONS,
    reject: false,
    stdin: 'ignore',
    timeout: QUERY_TIMEOUT_MS,
  });
  return exitCode === 0 ? hardwareFirst(stdout) : undefined;
};

/** Pure. Knows the formats of x86 (`flags`) and ARM (`Features`). */
export const hasAesInstructions = (cpuinfo: string): boolean => /^(?:flags|Features)\s*:.*\baes\b/m.test(cpuinfo);

/** Pure. Output of `ssh -G` → its ciphers, hardware-accelerated ones first; undefined where it has none of them. */
export const hardwareFirst = (configuration: string): string | undefined => {
  const ciphers = /^ciphers (\S+)$/m.exec(configuration)?.[1]?.split(',') ?? [];
  const first = HARDWARE_CIPHERS.filter((cipher) => ciphers.includes(cipher));
  if (first.length === 0) return undefined;
  return [...first, ...ciphers.filter((cipher) => !first.includes(cipher))].join(',');
};
