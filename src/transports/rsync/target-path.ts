import type { Name } from '../../transport.ts';

/** Pure. The folder of a path below destination.path: "DC1/a/b" → "DC1/a", "DC1" → "". */
export const folderOf = (path: Name): Name => path.slice(0, Math.max(path.lastIndexOf('/'), 0));
