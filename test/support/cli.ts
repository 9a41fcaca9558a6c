import { readFileSync } from 'node:fs';

/** The program that tests start: the bundle that build-cli.ts made for this run. Where there is none (a benchmark's site), the sources. */
export const CLI = process.env.ISOCKET_CLI ?? new URL('../../src/cli.ts', import.meta.url).pathname;

/** As an installed one is started: with the flags of its first line. */
export const CLI_COMMAND: readonly string[] = [
  process.execPath,
  ...(/^#!.* -S node (.*)$/m.exec(readFileSync(CLI, 'utf8').split('\n', 1)[0] ?? '')?.[1]?.split(' ') ?? []),
  CLI,
];
