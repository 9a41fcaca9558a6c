import { readFileSync } from 'node:fs';

/** The program that tests start: the bundle that build-cli.ts made for this run. Where there is none (a benchmark's site), the sources. */
export const CLI = process.env.ISOCKET_CLI ?? new URL('../../src/cli.ts', import.meta.url).pathname;

/** As an installed one is started: with the flags of its first line. */
export const CLI_COMMAND: readonly string[] = [
  process.execPath,
  ...(/^#!.* -S node (.*)$/m.exec(readFileSync(CLI, 'utf8').split('\n', 1)[0] ?? '')?.[1]?.split(' ') ?? []),
  CLI,
];

/** What a test's many starts of one program need not compile each time: a fifth of each start. An installed one has no such cache. */
export const CODE_CACHE: Readonly<Record<string, string>> =
  process.env.ISOCKET_CODE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE: process.env.ISOCKET_CODE_CACHE };
