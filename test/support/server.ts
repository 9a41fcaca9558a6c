/** A destination that tests send to: OpenSSH or our own receiver, on loopback, with throw-away keys. */
export interface TestServer extends AsyncDisposable {
  readonly kind: 'openssh' | 'receiver';
  readonly port: number;
  readonly identityFile: string;
  readonly knownHosts: string;
  /** As the destination's `path` sees it. */
  readonly path: string;
  /** The same folder on this machine. */
  readonly folder: string;
}
