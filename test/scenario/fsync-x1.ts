import { equal, match } from 'node:assert/strict';
import { cpSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const FILES = 20;

/**
 * Everything is marked already, and sent, by the old tool: the destination is asked, and nothing of that directory is sent; of another
 * one it is. What lies there has other bytes, so that it shows whether it was sent again.
 */
export const fsyncX1: Scenario = {
  setup: (folder) => {
    const { writeFiles, markAll } = parser(rootOf(folder));
    writeFiles('DC1', FILES);
    markAll('DC1', FILES);
    const [source, destination] = [`${rootOf(folder)}/DC1`, `${destinationOf(folder)}/DC1`];
    cpSync(source, destination, { recursive: true, preserveTimestamps: true });
    const { size, atime, mtime } = statSync(`${source}/file-1`);
    writeFileSync(`${destination}/file-1`, 'o'.repeat(size));
    utimesSync(`${destination}/file-1`, atime, mtime);
    writeFiles('DC2', 1);
  },
  execute: async (folder, server) => {
    const site = makeSite(folder, server);
    const names = ['DC1', 'DC2'].map((directory) => `${site.root}/${directory}/file-1`);
    const { exitCode, summary, stderr } = await site.run(['send', '--json', ...names]);
    equal(exitCode, 0, stderr);
    equal(summary?.sent, 1);
  },
  verify: (folder) => {
    match(readFileSync(`${destinationOf(folder)}/DC1/file-1`, 'utf8'), /^o+$/);
    expectShipped(rootOf(folder), destinationOf(folder), 'DC2');
  },
};

await main(import.meta, fsyncX1);
