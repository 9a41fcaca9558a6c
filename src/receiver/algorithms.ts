import type { Algorithms, ParsedKey } from 'ssh2';

/**
 * AES only, which Node's OpenSSL does in hardware; ssh2 has ChaCha20 in WebAssembly, and OpenSSH before 10 would choose it.
 * No compression: the client would decide how much memory it takes.
 */
export const ALGORITHMS = {
  // No NIST curves and no SHA-1. ssh2 has neither sntrup761 nor ML-KEM, and takes no key exchange from outside.
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies Algorithms;

/** ssh2 offers SHA-1 with every RSA key of type "ssh-rsa", whatever it is told: it gets one for each hash instead. */
export const withoutSha1 = (key: ParsedKey): ParsedKey[] =>
  key.type !== 'ssh-rsa'
    ? [key]
    : ['rsa-sha2-512', 'rsa-sha2-256'].map((type) => Object.create(key, { type: { value: type } }) as ParsedKey);
