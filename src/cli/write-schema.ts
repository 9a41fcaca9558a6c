import { writeFileSync } from 'node:fs';
import { packageFile } from '../package-file.ts';
import { configurationPage } from './manual/configuration.ts';
import { configJsonSchema } from './manual/json-schema.ts';

// `npm run schema`: the JSON Schema for editors, and docs/configuration.md, from the definition that isocket validates with.
const schema = configJsonSchema();
writeFileSync(packageFile('templates/isocketrc.schema.json'), `${JSON.stringify(schema, null, 2)}\n`);
writeFileSync(packageFile('docs/configuration.md'), configurationPage(schema));
