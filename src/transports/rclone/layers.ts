/** One of the remotes that a destination is made of: crypt over chunker over S3 are three. */
export interface Layer {
  readonly type: string;
  /** What an option is set to; "": it is not set. */
  readonly option: (name: string) => string;
}

type Section = Readonly<Record<string, unknown>>;

/** The remotes below one: aliases, what crypt or chunker wrap, the parts of a union. A path of this host is none. @param sectionOf what rclone.conf has */
export const layersOf = async (
  remote: string,
  sectionOf: (name: string) => Promise<Section>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly Layer[]> => {
  const layers: Layer[] = [];
  const remotes = new Set([remote]);
  for (const one of remotes) {
    const parsed = parseRemote(one);
    if (parsed === undefined) continue;
    const section = parsed.isType ? { type: parsed.name } : await sectionOf(parsed.name);
    const ofSection = (name: string): unknown =>
      parsed.options[name] ?? env[variable(`config_${parsed.name}_${name}`)] ?? section[name];
    const type = text(ofSection('type'));
    const option = (name: string): string => text(ofSection(name) ?? env[variable(`${type}_${name}`)]);
    layers.push({ type, option });
    const parts = option('upstreams').split(/\s+/);
    for (const part of [option('remote'), ...parts.map((upstream) => upstream.replace(/^"?(?:[^:=,]+=)?|"$/g, ''))])
      if (part !== '') remotes.add(part);
  }
  return layers;
};

const OPTIONS = /,\s*([^=,:]+)(?:=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*))?/g;
const REMOTE = /^(:?)([^,:/]+)((?:,\s*[^=,:]+(?:=(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*))?)*):/;

/** "name,option=value:path" or ":type,option=value:path". Pure. */
const parseRemote = (remote: string) => {
  const [, colon = '', name, written = ''] = REMOTE.exec(remote) ?? [];
  if (name === undefined) return undefined;
  const options: Record<string, string | undefined> = {};
  for (const [, key = '', value = 'true'] of written.matchAll(OPTIONS))
    options[key] = value.replace(/^(["'])([^]*)\1$/, (_whole, quote: string, inner: string) =>
      inner.replaceAll(quote + quote, quote),
    );
  return { name, isType: colon !== '', options };
};

const variable = (name: string): string => `RCLONE_${name.toUpperCase().replaceAll('-', '_')}`;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
