/** The program that tests start: the bundle that build-cli.ts made for this run. Where there is none (a benchmark's site), the sources. */
export const CLI = process.env.ISOCKET_CLI ?? new URL('../../src/cli.ts', import.meta.url).pathname;
