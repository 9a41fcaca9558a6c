import { writeFileSync } from 'node:fs';
import { parser } from '../support/parser.ts';
import { destinationOf, expectFinished, expectNothingSent, expectShipped, rootOf, scanOnce } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

/** Both markers: done long ago. Nothing of it is sent, whatever its files look like; its neighbour is. */
export const scanP1W1: Scenario = {
  setup: (folder) => {
    const { writeFiles, closeDirectory } = parser(rootOf(folder));
    writeFiles('DC1', 20);
    closeDirectory('DC1');
    writeFileSync(`${rootOf(folder)}/DC1/finished.watch`, '');
    writeFiles('DC2', 5);
    closeDirectory('DC2');
  },
  execute: async (folder, server) => {
    await scanOnce(folder, server);
  },
  verify: (folder) => {
    expectNothingSent(destinationOf(folder), 'DC1');
    expectShipped(rootOf(folder), destinationOf(folder), 'DC2');
    expectFinished(rootOf(folder), 'DC2', true);
  },
};

await main(import.meta, scanP1W1);
