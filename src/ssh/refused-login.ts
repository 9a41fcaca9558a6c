interface Way {
  readonly keyType?: string | undefined;
  readonly isByProgram?: boolean;
  readonly isByAgent?: boolean;
}

/** The server has refused a login: why, as far as it says, and what to do. */
export interface RefusedLogin {
  readonly state: string;
  readonly hint: string;
}

/**
 * Pure.
 * @param methods the methods with which the server would let the login go on; empty: it did not say
 * @param keyType "ssh-ed25519"; undefined: not known
 * @param isByProgram the ssh program was refused
 * @param isByAgent all keys of the agent were refused, and no file was read
 */
export const refusedLogin = (
  methods: readonly string[],
  { keyType, isByProgram = true, isByAgent = false }: Way = {},
): RefusedLogin => {
  const others = methods.filter((method) => !['publickey', 'hostbased', 'gssapi-with-mic', 'none'].includes(method));
  if (others.length > 0 && !methods.includes('publickey'))
    return {
      state: `the server wants ${others.join(' or ')}, and takes no key for it`,
      hint: 'let the server take a key alone for this account, in its sshd_config: PubkeyAuthentication yes, and no second method in AuthenticationMethods',
    };
  if (isByAgent)
    return {
      state: 'the server refused the keys of the agent',
      hint: 'put one of them (ssh-add -L shows them) into the account’s authorized_keys, give the agent another key (ssh-add), or correct destination.user',
    };
  return {
    state: isByProgram ? 'the login was refused' : 'the server refused the key',
    hint: `put the public key into the account’s authorized_keys (for ProFTPD into the file of SFTPAuthorizedUserKeys, as ssh-keygen -e -f KEY.pub prints it), or correct destination.user or destination.identityFile${rsaHint(keyType, isByProgram)}`,
  };
};

/** With RSA ssh2 makes one kind of signature only, and a new ssh none of those that an old server takes. */
const rsaHint = (keyType: string | undefined, isByProgram: boolean): string => {
  if (keyType !== 'ssh-rsa') return '';
  return isByProgram
    ? '; a server that takes RSA with SHA-1 only needs a key of another type (ed25519)'
    : '; a server that takes no rsa-sha2-256 signature needs destination.ssh: system, or a key of another type (ed25519)';
};
