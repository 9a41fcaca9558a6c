import { writeFileSync } from 'node:fs';
import { parser } from '../support/parser.ts';
import { destinationOf, expectFinished, expectNothingSent, expectShipped, rootOf, scanOnce } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

/** finished.watch alone: never looked at again, and still the newest of all: the older one without markers is superseded. */
export const scanP0W1: Scenario = {
  setup: (folder) => {
    const { writeFiles } = parser(rootOf(folder));
    writeFiles('DC1', 20);
    writeFiles('DC2', 5);
    writeFileSync(`${rootOf(folder)}/DC2/finished.watch`, '');
  },
  execute: async (folder, server) => {
    await scanOnce(folder, server);
  },
  verify: (folder) => {
    expectNothingSent(destinationOf(folder), 'DC2');
    expectShipped(rootOf(folder), destinationOf(folder), 'DC1');
    expectFinished(rootOf(folder), 'DC1', true);
  },
};

await main(import.meta, scanP0W1);
