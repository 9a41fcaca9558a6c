import { writeFileSync } from 'node:fs';
import { configurationPage } from './manual/configuration.ts';
import { configJsonSchema } from '../config/schema.ts';
import { packageFile } from '../package-file.ts';
import { rcloneOptionsSchema } from '../transports/rclone/options.ts';
import { rsyncOptionsSchema } from '../transports/rsync/options.ts';
import { sftpOptionsSchema } from '../transports/sftp/options.ts';

// `npm run schema`: the JSON Schema for editors, and docs/configuration.md, from the definition that isocket validates with.
const schema = configJsonSchema([sftpOptionsSchema, rsyncOptionsSchema, rcloneOptionsSchema]);
writeFileSync(packageFile('templates/isocketrc.schema.json'), `${JSON.stringify(schema, null, 2)}\n`);
writeFileSync(packageFile('docs/configuration.md'), configurationPage(schema));
