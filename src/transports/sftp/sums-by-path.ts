import { encodeName, type Name } from '../../name.ts';

export interface RemoteFile {
  readonly path: Name;
  readonly size: bigint;
}

/** SHA-256 of files at the destination, computed there. */
export interface RemoteSums {
  /** Hex digests by `sumKey` of the path. Files that could not be read are left out. */
  read(files: readonly RemoteFile[], signal: AbortSignal): Promise<Map<string, string>>;
}

/** The key of a path in the result; bytes that are not UTF-8 stay distinct. */
export const sumKey = (path: Name): string => encodeName(path).toString('latin1');
