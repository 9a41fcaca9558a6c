import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../config/schema.ts';
import { packageFile } from '../package-file.ts';
import { rcloneOptionsSchema } from '../transports/rclone/options.ts';
import { rsyncOptionsSchema } from '../transports/rsync/options.ts';
import { sftpOptionsSchema } from '../transports/sftp/options.ts';

// `npm run schema`: the JSON Schema for editors, generated from the definition that isocket validates with.
writeFileSync(
  packageFile('templates/isocketrc.schema.json'),
  `${JSON.stringify(configJsonSchema([sftpOptionsSchema, rsyncOptionsSchema, rcloneOptionsSchema]), null, 2)}\n`,
);
