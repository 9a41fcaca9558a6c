import {
  FINISHED_PARSE,
  FINISHED_WATCH,
  FINISHED_WATCH_TEMPORARY,
  isManifestPath,
  isTemporaryName,
} from '../../source/markers.ts';
import type { Name } from '../../name.ts';

/**
 * What a name at the destination is to a restore. `temporary`: what is not whole yet, of this or another sender · `proof`: isocket's own
 * `finished.watch`, which speaks of the source · `manifest`: `SHA256SUMS`, where the site writes them · `unsafe`: no path below the directory.
 */
export type StoredName = 'file' | 'marker' | 'temporary' | 'proof' | 'manifest' | 'unsafe';

/** Pure. @param path below the directory */
export const judgeName = (path: Name, { manifest }: { readonly manifest: boolean }): StoredName => {
  if (!isSafePath(path)) return 'unsafe';
  if (path.split('/').some(isTemporaryName)) return 'temporary';
  const [first = ''] = path.split('/', 1);
  if (first === FINISHED_WATCH || first === FINISHED_WATCH_TEMPORARY) return 'proof';
  if (path === FINISHED_PARSE) return 'marker';
  return manifest && isManifestPath(path) ? 'manifest' : 'file';
};

/** Pure. Names that are joined by single slashes, none of which leads elsewhere: a server may answer with anything. */
export const isSafePath = (path: Name): boolean =>
  !path.includes('\0') && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
