/**
 * What a destination cannot have, whatever a transport does: what the suite asks for otherwise, and then does not.
 *
 * `permissions`: it keeps no permission bits · `bytes`: its names are UTF-8, and any other is refused as a failed file · `links`: it has none,
 * or does not list them · `folders`: it has none
 * without a file in it · `times`: it keeps no mtime · `sums`: it has no sums of its files, so that without times only a file that was just
 * sent passes for the same · `replace`: for a moment there is neither the old file nor the new one.
 */
export type Lack = 'permissions' | 'bytes' | 'links' | 'folders' | 'times' | 'sums' | 'replace';
