import { equal } from 'node:assert/strict';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectNothingSent, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const FILES = 20;

/** Everything is marked already, by the old tool: nothing of that directory is sent; of another one it is. */
export const fsyncX1: Scenario = {
  setup: (folder) => {
    const { writeFiles, markAll } = parser(rootOf(folder));
    writeFiles('DC1', FILES);
    markAll('DC1', FILES);
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
    expectNothingSent(destinationOf(folder), 'DC1');
    expectShipped(rootOf(folder), destinationOf(folder), 'DC2');
  },
};

await main(import.meta, fsyncX1);
