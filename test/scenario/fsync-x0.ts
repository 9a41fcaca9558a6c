import { equal } from 'node:assert/strict';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectFinished, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const FILES = 20;

/** Nothing is marked: the sender alone delivers and marks every file that it is handed, and finishes nothing. */
export const fsyncX0: Scenario = {
  setup: (folder) => {
    parser(rootOf(folder)).writeFiles('DC1', FILES);
  },
  execute: async (folder, server) => {
    const site = makeSite(folder, server);
    const names = Array.from({ length: FILES }, (_, index) => `${site.root}/DC1/file-${index + 1}\0`).join('');
    const { exitCode, summary, stderr } = await site.run(['send', '--json', '-0', '-'], { input: Buffer.from(names) });
    equal(exitCode, 0, stderr);
    equal(summary?.sent, FILES);
  },
  verify: (folder) => {
    expectShipped(rootOf(folder), destinationOf(folder), 'DC1');
    expectFinished(rootOf(folder), 'DC1', false);
  },
};

await main(import.meta, fsyncX0);
