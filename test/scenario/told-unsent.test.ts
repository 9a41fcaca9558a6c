import { lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSite } from '../../src/cli/commands/open-site.ts';
import type { IsocketEvent, SummaryEvent } from '../../src/core/events.ts';
import { runPass } from '../../src/delivery/pass.ts';
import { TransportError } from '../../src/errors.ts';
import type { OutgoingFile, Transport } from '../../src/transport.ts';
import { isFinished, parser } from '../support/parser.ts';
import { makeSite, type TestSite } from '../support/site.ts';

const FOLDER_TRANSPORT = new URL('../fixtures/folder-transport.mjs', import.meta.url).pathname;

let folder: string;
let site: TestSite;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-told-unsent-'));
  const nowhere = { port: 1, path: '/', identityFile: '/none', knownHosts: '/none' };
  site = makeSite(folder, nowhere as never);
  destinations(1);
});
afterEach(() => rmSync(folder, { recursive: true }));

const destinations = (count: number): void => {
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  const destination = Array.from({ length: count }, (_, index) => ({
    transport: FOLDER_TRANSPORT,
    path: `${folder}/there${index + 1}`,
  }));
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
};

interface Harm {
  readonly send?: (file: OutgoingFile, honest: () => Promise<void>) => Promise<void>;
  readonly verify?: () => Promise<never>;
}

/** A pass with transports that do harm. */
const pass = async (
  harm: Harm = {},
): Promise<{ summary: SummaryEvent; complete: boolean; events: readonly IsocketEvent[] }> => {
  const events: IsocketEvent[] = [];
  const signal = new AbortController().signal;
  await using open = await openSite({ config: site.config }, () => undefined);
  const harmful = open.destinations.map((honest): Transport => ({
    ...honest,
    send: (file, abort) => {
      const send = (): Promise<void> => honest.send(file, abort);
      return harm.send?.(file, send) ?? send();
    },
    ...(harm.verify === undefined ? {} : { verify: harm.verify }),
    [Symbol.asyncDispose]: () => honest[Symbol.asyncDispose](),
  }));
  const report = (event: IsocketEvent): void => void events.push(event);
  const { summary, complete } = await runPass({ ...open, destinations: harmful, report, signal });
  return { summary, complete, events };
};

const named = (path: string) => (file: OutgoingFile) => file.targetPath === path;
const closed = (count: number): void => {
  parser(site.root).writeFiles('DC1', count, 10);
  parser(site.root).closeDirectory('DC1');
};
const broken = (): Promise<never> => Promise.reject(new TransportError('file', 'refused', { hint: 'allow it' }));

describe('the number of files that are not sent', () => {
  it('counts a file that changes each time it is read, whatever else was sent', async () => {
    closed(9);
    const changes = named('DC1/file-3');
    const { summary, complete } = await pass({
      send: (file, honest) =>
        changes(file) ? Promise.reject(new TransportError('source-changed', 'it changed')) : honest(),
    });
    expect([summary.sent, summary.failed, summary.finished, complete]).toEqual([8, 1, 0, false]);
  });

  it('counts a file once that two destinations acknowledged and lack', async () => {
    destinations(2);
    closed(3);
    const lied = named('DC1/file-2');
    const { summary, complete } = await pass({ send: (file, honest) => (lied(file) ? Promise.resolve() : honest()) });
    expect([summary.failed, summary.finished, complete]).toEqual([1, 0, false]);
  });

  it('does not count what the destination turned out to have', async () => {
    closed(5);
    expect((await pass()).summary).toMatchObject({ sent: 5, finished: 1 });
    rmSync(site.state, { recursive: true });
    rmSync(`${site.root}/DC1/finished.watch`);
    writeFileSync(`${site.root}/DC1/file-6`, 'new');
    const { summary } = await pass({ send: broken });
    expect(summary).toMatchObject({ sent: 0, failed: 1, finished: 0 });
  });

  it('leaves no mark on any of many files that the destination lost', { timeout: 60_000 }, async () => {
    // More than are checked in one batch: some are known to be lost before all are checked, and others fail.
    const FILES = 1500;
    closed(FILES);
    const { summary, complete } = await pass({ send: () => Promise.resolve() });
    expect([summary.failed, summary.finished, complete]).toEqual([FILES, 0, false]);
    for (let count = 1; count <= FILES; count += 1)
      expect(lstatSync(`${site.root}/DC1/file-${count}`).mode & 0o020, `file-${count}`).toBe(0);
    expect((await pass()).summary).toMatchObject({ sent: FILES, finished: 1 });
  });
});

describe('what merely waits in a closed directory', () => {
  it('is named, the first few', async () => {
    parser(site.root).writeFiles('DC1', 5, 10);
    parser(site.root).makeDirectory('DC2');
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { source: object };
    writeFileSync(site.config, JSON.stringify({ ...config, source: { ...config.source, settle: '1h' } }));
    const { summary, complete, events } = await pass();
    expect([summary.sent, summary.failed, complete]).toEqual([0, 5, false]);
    const named = events.filter(
      (event) =>
        event.type === 'note' &&
        event.level === 'warning' &&
        /^"DC1\/file-\d" is not sent yet: it changed less than source.settle ago, \d+ s to go/.test(event.message),
    );
    expect(named).toHaveLength(3);
  });
});

describe('a directory that could not be verified', () => {
  it('has a count of its own', async () => {
    closed(2);
    const { summary, complete, events } = await pass({ verify: broken });
    expect(summary).toMatchObject({ sent: 2, failed: 0, finished: 0, unfinished: 1 });
    expect(complete).toBe(false);
    expect(events).toContainEqual(expect.objectContaining({ type: 'failed', path: 'DC1', message: 'refused' }));
    expect(isFinished(site.root, 'DC1')).toBe(false);
  });

  it('is "NOT FINISHED" in text, and nothing is "NOT SENT"', async () => {
    const { describe: inWords } = await import('../../src/cli/reporters/describe.ts');
    closed(2);
    const { summary } = await pass({ verify: broken });
    const { text = '' } = inWords(summary) ?? {};
    expect(text).toMatch(/sent 2 files.*finished 0 directories, 1 NOT FINISHED$/m);
    expect(text).not.toContain('NOT SENT');
  });
});

describe('a directory that vanishes while it is worked on', () => {
  const isVanished = (event: IsocketEvent): boolean =>
    event.type === 'note' && event.level === 'warning' && /^DC1 vanished /.test(event.message);

  it('is reported by scan', async () => {
    closed(2);
    const { events } = await pass({
      send: async (_file, honest) => {
        await honest();
        if (lstatSync(`${site.root}/DC1`, { throwIfNoEntry: false })) renameSync(`${site.root}/DC1`, `${folder}/gone`);
      },
    });
    expect(events.filter(isVanished)).toHaveLength(1);
  });

  it('is reported by the daemon', async () => {
    parser(site.root).writeFiles('DC1', 1);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'sent');
    renameSync(`${site.root}/DC1`, `${folder}/gone`);
    await daemon.event(isVanished);
    expect(await daemon.stop()).toBe(143);
    expect(daemon.events.filter(isVanished)).toHaveLength(1);
  });
});
