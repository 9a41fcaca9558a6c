/** Written by the parser into a directory: no more files will come. */
export const FINISHED_PARSE = 'finished.parse';
/** Written by isocket into a directory: every file is at the destination. */
export const FINISHED_WATCH = 'finished.watch';
/** The name of `finished.watch` until it is whole. */
export const FINISHED_WATCH_TEMPORARY = '.isocket-finished.watch';

/** A marker, or the one that is just being written: never a file to send. */
export const isMarker = (name: string): boolean =>
  name === FINISHED_PARSE || name === FINISHED_WATCH || name === FINISHED_WATCH_TEMPORARY;

/** Is this path below a directory, or a folder on it, named like something of ours? It is never sent: it would be taken for ours. */
const isReservedPath = (path: string): boolean => {
  const slash = path.indexOf('/');
  if (slash !== -1 && isMarker(path.slice(0, slash))) return true;
  return path.includes('.isocket-') && path.split('/').some(isTemporaryName);
};

/** Delivered into a directory where `manifest` is on: the SHA-256 of each of its files. */
export const MANIFEST = 'SHA256SUMS';

export const isManifestPath = (path: string): boolean => path === MANIFEST || path.startsWith(`${MANIFEST}/`);

/** As `isReservedPath`; where isocket writes a manifest, its name is taken as well. */
export const createIsReserved =
  (manifest: boolean) =>
  (path: string): boolean =>
    (manifest && isManifestPath(path)) || isReservedPath(path);

/** A name that isocket gives to what is not whole yet at a destination: a file so named would be removed there. */
export const isTemporaryName = (name: string): boolean => name.startsWith('.isocket-') && name.endsWith('.part');

/** Of a restore: what is not whole yet here. */
export const isTemporaryOfRestore = (name: string): boolean => /^\.isocket-restore-[0-9a-f]{24}\.part$/.test(name);
