import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { packageFile } from '../../package-file.ts';
import { bundledTransportNames } from '../../transports/index.ts';
import { readVersion } from '../version.ts';

const PROGRAM_MS = 5000;

/** What `isocket --version --verbose` says: all that a report of a fault needs. */
export const versionDetails = (): Readonly<Record<string, string>> => ({
  isocket: readVersion(),
  commit: commit(),
  node: `${process.versions.node} (${process.execPath})`,
  openssl: process.versions.openssl,
  ssh2: (createRequire(import.meta.url)('ssh2/package.json') as { readonly version: string }).version,
  ssh: firstLine('ssh', ['-V']),
  rsync: firstLine('rsync', ['--version']),
  inotifywait: firstLine('inotifywait', ['--help']),
  transports: bundledTransportNames.join(', '),
});

/** What it was built from, where that is known. */
const commit = (): string => {
  try {
    return readFileSync(packageFile('dist/commit'), 'utf8').trim();
  } catch {
    return 'not known';
  }
};

/** Some print it on stderr, and end with 1. */
const firstLine = (program: string, args: readonly string[]): string => {
  try {
    return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1 || :', program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: PROGRAM_MS,
    })
      .split('\n', 1)
      .map((line) => (/not found/.test(line) ? 'none' : line.trim()))
      .join('');
  } catch {
    return 'none';
  }
};
