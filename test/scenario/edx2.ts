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
    await Promise.all(
      SITES.map(async (name) => {
        const site = makeSite(folder, server, { name, destination: { path: path(name) } });
        await using daemon = site.start(['daemon']);
        await daemon.event(({ type }) => type === 'finished');
        for (let index = 1; index <= 5; index += 1)
          await daemon.event((event) => event.type === 'sent' && event.path === `DC2/file-${index}`);
        equal(await daemon.stop('SIGINT'), 130);
      }),
    );
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
