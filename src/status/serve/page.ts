/** A file that is served as it is. */
export interface PageFile {
  /** "text/html; charset=utf-8" */
  readonly type: string;
  readonly body: string | Uint8Array;
}

const INDEX = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>isocket</title>
<ul>
<li><a href="/status.json">status.json</a>: what "isocket status --json" prints
<li><a href="/events">events</a>: the same, as it changes
<li><a href="/metrics">metrics</a>: for Prometheus
<li><a href="/healthz">healthz</a>: is all well?
</ul>
</html>
`;

/** By path. */
export const pageFiles = (): ReadonlyMap<string, PageFile> =>
  new Map([['/', { type: 'text/html; charset=utf-8', body: INDEX }]]);
