import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import type { OpenSshLogin } from './options.ts';

/** Where the processor has instructions for AES, quicker than OpenSSH's own first choice. */
const IN_HARDWARE = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

/** No connection is made for it, but names may be looked up. */
const PATIENCE_MS = 5_000;

/**
 * The ciphers that ssh would offer this host, those first that the processor does by itself; undefined: as they are. None is added
 * that the user's configuration does not have.
 */
export const fastCiphers = async ({ host, port, user }: OpenSshLogin): Promise<string | undefined> => {
  if (!hasAesInstructions(readFileSync('/proc/cpuinfo', 'latin1'))) return undefined;
  const login = [...(port === undefined ? [] : ['-p', String(port)]), ...(user === undefined ? [] : ['-l', user])];
  const { exitCode, stdout } = await execa('ssh', ['-G', ...login, '--', host], {
    reject: false,
    stdin: 'ignore',
    timeout: PATIENCE_MS,
  });
  return exitCode === 0 ? hardwareFirst(stdout) : undefined;
};

/** As x86 and ARM have it. Pure. */
export const hasAesInstructions = (cpuinfo: string): boolean => /^(?:flags|Features)\s*:.*\baes\b/m.test(cpuinfo);

/** What `ssh -G` prints → its ciphers in our order; undefined where there is nothing to put first. Pure. */
export const hardwareFirst = (configuration: string): string | undefined => {
  const ciphers = /^ciphers (\S+)$/m.exec(configuration)?.[1]?.split(',') ?? [];
  const first = IN_HARDWARE.filter((cipher) => ciphers.includes(cipher));
  if (first.length === 0) return undefined;
  return [...first, ...ciphers.filter((cipher) => !first.includes(cipher))].join(',');
};
