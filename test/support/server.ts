/** A destination for tests: OpenSSH or our own receiver, on loopback, with throw-away keys. */
export interface TestServer extends AsyncDisposable {
  readonly kind: 'openssh' | 'receiver' | 'program';
  readonly port: number;
  readonly identityFile: string;
  readonly knownHosts: string;
  /** The destination's `path` in the configuration. */
  readonly path: string;
  /** The same folder on this machine. */
  readonly folder: string;
}
