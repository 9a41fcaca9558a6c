import { equal } from 'node:assert/strict';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectFinished, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const SITES = ['ED1', 'ED2'];

/** Two EDs to one DRMS at the same time: directories of the same name, each below its own path. */
export const edx2: Scenario = {
  setup: (folder) => {
    for (const name of SITES) {
      const { writeFiles, closeDirectory } = parser(rootOf(folder, name));
      writeFiles('DC1', 30);
      closeDirectory('DC1');
      writeFiles('DC2', 5);
    }
  },
  execute: async (folder, server) => {
    const path = (name: string): string => `${server.path.replace(/\/$/, '')}/${name}`;
    const sites = SITES.map((name) => makeSite(folder, server, { name, destination: { path: path(name) } }));
    for (let pass = 1; pass <= 2; pass += 1) {
      const outcomes = await Promise.all(sites.map((site) => site.scan()));
      for (const { exitCode, stdout, stderr } of outcomes) equal(exitCode, 0, `${stdout}\n${stderr}`);
    }
  },
  verify: (folder) => {
    for (const name of SITES) {
      for (const directory of ['DC1', 'DC2']) {
        expectShipped(rootOf(folder, name), `${destinationOf(folder)}/${name}`, directory);
      }
      expectFinished(rootOf(folder, name), 'DC1', true);
      expectFinished(rootOf(folder, name), 'DC2', false);
    }
  },
};

await main(import.meta, edx2);
