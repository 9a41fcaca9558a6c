import { readFileSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';

/** A file that is served as it is. */
export interface PageFile {
  /** "text/html; charset=utf-8" */
  readonly type: string;
  readonly body: string | Uint8Array;
}

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/page.css', 'page.css', 'text/css; charset=utf-8'],
] as const;

/** Where the build puts them: beside the bundle that this is a part of, or, seen from the sources, in `dist`. */
const FOLDERS = ['./page/', '../../../dist/page/'].map((path) => new URL(path, import.meta.url));

const NOT_BUILT = `<!doctype html>
<html lang="en">
<title>isocket</title>
<p>This isocket runs from its sources, and the page was not built: npm run build. <a href="status.json">status.json</a> says the same.
</html>
`;

/** By path. */
export const pageFiles = (): ReadonlyMap<string, PageFile> => {
  for (const folder of FOLDERS) {
    try {
      return new Map(FILES.map(([path, name, type]) => [path, { type, body: readFileSync(new URL(name, folder)) }]));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  return new Map([['/', { type: 'text/html; charset=utf-8', body: NOT_BUILT }]]);
};
