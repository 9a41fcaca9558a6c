import { readFileSync } from 'node:fs';
import { packageFile } from '../package-file.ts';

/** The version of isocket: that of its package. */
export const readVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
};
