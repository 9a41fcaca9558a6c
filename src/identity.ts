/** What a source file was when it was queued to be sent, times in nanoseconds since 1970. Equal identities: nothing has touched the file in between. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/**
 * A time of a file in nanoseconds since 1970 → the whole second that it is in, before 1970 too. Destinations know times in whole seconds:
 * SFTP carries no more.
 */
export const wholeSeconds = (ns: bigint): number => {
  const seconds = ns / 1_000_000_000n;
  return Number(ns < 0n && seconds * 1_000_000_000n !== ns ? seconds - 1n : seconds);
};

/** Compares every field, times to the nanosecond. */
export const isSameFile = (a: FileIdentity, b: FileIdentity): boolean =>
  a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
