import { z } from 'zod';
import { configSchema } from '../../config/schema.ts';
import { rcloneOptionsSchema } from '../../transports/rclone/options.ts';
import { rsyncOptionsSchema } from '../../transports/rsync/options.ts';
import { sftpOptionsSchema } from '../../transports/sftp/options.ts';
import {
  DESTINATIONS_EXAMPLE,
  EXAMPLE,
  OWN_TRANSPORT_EXAMPLE,
  RCLONE_EXAMPLE,
  REQUIRED_EXAMPLE,
  RSYNC_EXAMPLE,
  SFTP_EXAMPLE,
} from './examples.ts';

/** The part of a JSON Schema that is read here. */
export interface Schema {
  readonly $schema?: string | undefined;
  readonly $ref?: string;
  readonly title?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly not?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** A section is an object, or null where it may be left out. */
export const sectionIn = (schema: Schema): Schema | undefined =>
  schema.properties === undefined ? schema.anyOf?.find(({ properties }) => properties !== undefined) : schema;

/** Of every destination, whatever its transport. */
const REQUIRED: Schema = {
  description:
    'false: best effort, of several destinations of which one at least is required. A file is marked, and a directory finished, without it; it gets what the others have when it is there',
  default: true,
  type: 'boolean',
  examples: [REQUIRED_EXAMPLE],
};

/** Pure. @param example a section with a value of each key, or the value */
const withExamples = (schema: Schema, example: unknown): Schema => {
  const { properties, anyOf, const: only } = schema;
  if (only !== undefined) return schema;
  if (properties !== undefined) {
    const values = new Map(Object.entries(example as object));
    const entries = Object.entries(properties).map(([key, one]) => [key, withExamples(one, values.get(key))] as const);
    return { ...schema, properties: Object.fromEntries(entries) };
  }
  const section = sectionIn(schema);
  if (section === undefined || anyOf === undefined) return { ...schema, examples: [example] };
  return { ...schema, anyOf: anyOf.map((one) => (one === section ? withExamples(one, example) : one)) };
};

/** JSON Schema for editors, from the definition that isocket reads the file with; a destination of another transport may hold any key. */
export const configJsonSchema = (): Schema => {
  const whole = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema;
  const bundled = [
    { schema: sftpOptionsSchema, example: SFTP_EXAMPLE },
    { schema: rsyncOptionsSchema, example: RSYNC_EXAMPLE },
    { schema: rcloneOptionsSchema, example: RCLONE_EXAMPLE },
  ].map(({ schema, example }): Schema => {
    const section = withExamples(z.toJSONSchema(schema, { io: 'input' }) as Schema, example);
    return { ...section, properties: { ...section.properties, required: REQUIRED }, $schema: undefined };
  });
  const names = bundled.map(({ properties }) => properties?.transport?.const);
  const transport = { type: 'string', not: { enum: names }, examples: [OWN_TRANSPORT_EXAMPLE] };
  const other = { type: 'object', properties: { transport, required: REQUIRED }, required: ['transport'] };
  const one = { $ref: '#/$defs/destination' };
  const destination = { anyOf: [one, { type: 'array', items: one, minItems: 1 }], examples: [DESTINATIONS_EXAMPLE] };
  return {
    ...{ title: '.isocketrc', ...whole },
    properties: { ...withExamples(whole, EXAMPLE).properties, destination },
    required: [...new Set([...(whole.required ?? []), 'destination'])],
    $defs: { destination: { anyOf: [...bundled, other] } },
  };
};
