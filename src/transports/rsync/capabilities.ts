/** What the local rsync supports and the remote one has not refused. */
export interface Capabilities {
  /** Options the remote rsync may lack: each is used until it is refused. */
  readonly optional: ReadonlySet<OptionalOption>;
  /** rsync escapes the remote path for the remote shell (from 3.2.4). */
  readonly escapesPaths: boolean;
  /** The receiver continues in the partial file itself by default (from 3.2.0). */
  readonly resumesInPlace: boolean;
}

/** `perms`: a file system may have none. */
export type OptionalOption = 'fsync' | 'mkpath' | 'partial-dir' | 'perms' | 'remove-source-files';

export type Version = readonly [major: number, minor: number, patch: number];

/** Pure. The output of `rsync --version` → version; undefined where it has none. */
export const parseVersion = (text: string): Version | undefined => {
  const [, major, minor, patch] = /^rsync\s+version\s+v?(\d+)\.(\d+)\.(\d+)/m.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
};

export const isAtLeast = (version: Version, wanted: Version): boolean => {
  const at = version.findIndex((part, index) => part !== wanted[index]);
  return at === -1 || (version[at] ?? 0) > (wanted[at] ?? 0);
};

export const OLDEST: Version = [3, 1, 0];

export const capabilitiesOf = (version: Version): Capabilities => ({
  optional: new Set<OptionalOption>([
    'partial-dir',
    'perms',
    // Before 3.2.0 rsync compares the link itself with the file that was sent, and refuses to remove it.
    ...(isAtLeast(version, [3, 2, 0]) ? (['remove-source-files'] as const) : []),
    ...(isAtLeast(version, [3, 2, 3]) ? (['mkpath'] as const) : []),
    ...(isAtLeast(version, [3, 2, 4]) ? (['fsync'] as const) : []),
  ]),
  escapesPaths: isAtLeast(version, [3, 2, 4]),
  resumesInPlace: isAtLeast(version, [3, 2, 0]),
});

export const without = (capabilities: Capabilities, refused: readonly OptionalOption[]): Capabilities => ({
  ...capabilities,
  optional: new Set([...capabilities.optional].filter((option) => !refused.includes(option))),
});
