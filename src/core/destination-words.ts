import { z } from 'zod';

// No leading dash, which ssh would take for an option, and no character that a host or user name cannot have.
const HARMLESS = /^[^\s\p{Cc}-][^\s\p{Cc}]*$/u;
const HOST = 'the name or address of a host';
const ADDRESS_WITH_COLONS = /^[0-9a-f]*:[0-9a-f:.]*(?:%\S+)?$/i;
/** scheme://user@host:port/path, each part but the host optional. */
const WRITTEN_AS_ONE =
  /^(?:[a-z]+:\/\/)?(?:(?<user>[^@/]+)@)?(?:\[(?<address>[^\]]+)\]|(?<name>[^:/@[\]]+))(?::(?<port>\d+))?(?::?(?<path>\/.*))?$/i;

/** What is wrong with a host: undefined for a name or an address alone. Pure. */
const hostMistake = (host: string): string | undefined => {
  if (ADDRESS_WITH_COLONS.test(host) || !/[@:/[\]]/.test(host)) return undefined;
  const { user, address, name, port, path } = WRITTEN_AS_ONE.exec(host)?.groups ?? {};
  const alone = address ?? name;
  if (alone === undefined) return HOST;
  const keys = Object.entries({ host: alone, user, port, path }).filter(([, value]) => value !== undefined);
  return `the name or address alone, and a key for each other part: ${keys.map(([key, value]) => `${key}: ${value}`).join(', ')}`;
};

/** What a shell would have expanded; undefined where it would not. Pure. */
const shellMistake = (path: string): string | undefined =>
  path.startsWith('$') ? 'a path written out: no variable is expanded here' : undefined;

const pathMistake = (path: string): string | undefined => {
  const below = /^~\/(.*)$/.exec(path)?.[1];
  if (below !== undefined)
    return `a path without "~", which would name a folder: a relative path is below the account’s home, so path: ${below || '.'}`;
  if (path.startsWith('~')) return 'a path written out: no "~" is expanded at the destination';
  // One letter is a drive of Windows.
  const beside = /^[^/]{2,}:(\/.*)$/.exec(path)?.[1];
  return beside === undefined
    ? shellMistake(path)
    : `the path alone, and the host as destination.host: path: ${beside}`;
};

const fileMistake = (path: string): string | undefined => {
  if (path.includes('\n')) return 'the path of a file, not what is in it';
  return /^~[^/]/.test(path)
    ? 'a file; of homes only that of the user who runs isocket has a short form, "~/"'
    : shellMistake(path);
};

const rootedMistake = (path: string): string | undefined =>
  path.startsWith('~') ? 'an absolute path: "~" is not expanded here' : shellMistake(path);

/** Text that has no such mistake. The JSON Schema does not show it. */
const without = <T extends z.ZodType<string | undefined>>(
  schema: T,
  mistake: (text: string) => string | undefined,
): T => {
  const refined = schema.refine((text) => text === undefined || mistake(text) === undefined, {
    error: ({ input }) => (typeof input === 'string' ? mistake(input) : undefined),
  });
  return schema.description === undefined ? refined : refined.describe(schema.description);
};

/** `destination.host`. */
export const hostKey = without(z.string().regex(HARMLESS, { error: HOST }), hostMistake);

/** `destination.path`, as `schema` has it. */
export const destinationPath = (schema: z.ZodString): z.ZodString => without(schema, pathMistake);

/** A file of this host. */
export const localFile = <T extends z.ZodType<string | undefined>>(schema: T): T => without(schema, fileMistake);

/** A folder of this host, by its absolute path. */
export const rootedPath = (expected: string): z.ZodString =>
  z.string({ error: expected }).regex(/^\/[^\0]*$/, {
    error: ({ input }) => (typeof input === 'string' ? rootedMistake(input) : undefined) ?? expected,
  });
