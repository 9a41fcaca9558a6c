import { deepEqual, equal } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { isFinished } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

/** Where a scenario's ED has its files, before there is a server to send them to. */
export const rootOf = (folder: string, name = 'site'): string => `${folder}/${name}/datas`;

export const destinationOf = (folder: string): string => `${folder}/destination`;

/** One pass that must leave nothing unsent. */
export const scanOnce = async (folder: string, server: TestServer, options?: SiteOptions): Promise<TestSite> => {
  const site = makeSite(folder, server, options);
  const { exitCode, stdout, stderr } = await site.scan();
  equal(exitCode, 0, `scan: ${stdout}\n${stderr}`);
  return site;
};

/** Every file of the directory is there, byte for byte, and marked; nothing else is there. */
export const expectShipped = (root: string, destination: string, directory: string): void => {
  deepEqual(differences(`${root}/${directory}`, `${destination}/${directory}`), []);
  deepEqual(unmarked(`${root}/${directory}`), []);
};

export const expectFinished = (root: string, directory: string, finished: boolean): void =>
  equal(isFinished(root, directory), finished, `${directory}/finished.watch`);

export const expectNothingSent = (destination: string, directory: string): void =>
  equal(existsSync(`${destination}/${directory}`), false, `${directory} is at the destination`);
