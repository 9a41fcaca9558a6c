import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;

/**
 * Builds the bundle that the tests start (support/cli.ts), once for all projects of a run and always from the sources as they are: it starts
 * three times as fast as the sources, and it is what is installed.
 */
export const setup = (): (() => void) | undefined => {
  if (process.env.ISOCKET_CLI !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'isocket-built-'));
  chmodSync(folder, 0o755); // Other users run it as well.
  const { status, stderr } = spawnSync(process.execPath, ['build.ts', `${folder}/dist`], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`Cannot build isocket for the tests: ${stderr}`);
  for (const part of ['node_modules', 'package.json', 'templates', 'docs'])
    symlinkSync(join(ROOT, part), `${folder}/${part}`);
  process.env.ISOCKET_CLI = `${folder}/dist/cli.js`;
  process.env.ISOCKET_CODE_CACHE = `${folder}/cache`;
  return () => rmSync(folder, { recursive: true, force: true });
};
