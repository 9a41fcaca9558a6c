/** What the rsync here can do; and, as far as it has been found out, the one there. */
export interface Capabilities {
  /** Options the remote rsync may lack: each is used until it refuses. */
  readonly optional: ReadonlySet<OptionalOption>;
  /** Escapes the remote path for the remote shell by itself (3.2.4). */
  readonly escapesPaths: boolean;
  /** Lets the receiver go on in the very file that was kept, unless told otherwise (3.2.0). */
  readonly resumesInPlace: boolean;
}

export type OptionalOption = 'fsync' | 'mkpath' | 'partial-dir' | 'remove-source-files';

export type Version = readonly [major: number, minor: number, patch: number];

/** The first line of `rsync --version`. */
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
    // Older ones compare the link itself with the file that was sent, and refuse to remove it.
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
