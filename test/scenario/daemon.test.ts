import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-daemon-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// A rescan that comes too late for any test: what arrives was told by events.
const siteOf = (options: SiteOptions = {}): TestSite =>
  makeSite(folder, server, {
    ...options,
    source: { settle: '2s', superseded: '300ms', rescan: '1h', ...options.source },
  });
const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;
const sent = (path: string) => (event: IsocketEvent) => event.type === 'sent' && event.path === path;
const expectShipped = (site: TestSite, directory: string): void => {
  expect(differences(`${site.root}/${directory}`, `${server.folder}/${directory}`)).toEqual([]);
  expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
};

describe('the daemon', () => {
  it('sends files as they are closed, and finishes a directory when finished.parse appears', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    for (let index = 1; index <= 20; index += 1) {
      writeFile(`DC1/file-${index}`);
      await daemon.event(sent(`DC1/file-${index}`));
    }
    expect(isFinished(site.root, 'DC1')).toBe(false);
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
    expect(await daemon.stop()).toBe(143);
    expect(daemon.stderr()).toBe('');
  });
});
