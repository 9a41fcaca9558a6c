import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ClosedBy } from '../../../src/core/lifecycle.ts';
import type { SiteContext } from '../../../src/delivery/context.ts';
import { finishDirectory } from '../../../src/delivery/finish-directory.ts';
import { listDirectory } from '../../../src/delivery/list-directory.ts';
import { OpenFiles } from '../../../src/source/open-files.ts';
import { readDirectory } from '../../../src/source/root.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'isocket-finish-'));
  mkdirSync(`${root}/DC1`);
  utimesSync(`${root}/DC1`, 1, 1); // A change within one tick of the kernel's clock leaves the same time.
});
afterEach(() => rmSync(root, { recursive: true }));

/** Lists DC1 and finishes it. `tidying` is what happens while the destination is tidied. */
const finish = async (closedBy: ClosedBy, tidying: () => void = () => undefined) => {
  const directory = readDirectory(root, 'DC1');
  if (directory === undefined) throw new Error('DC1 is not there');
  const plan = { directory, phase: 'closed', closedBy } as const;
  const options = { root, isExcluded: () => false, settleMs: 0, openFiles: () => new OpenFiles(), trustMarks: false };
  const listing = await listDirectory(plan, { lookUp: () => 'unknown' }, options, {});
  const tidy = async (): Promise<void> => {
    await Promise.resolve();
    tidying();
  };
  const site = {
    config: { site: 'site', source: { root }, verify: 'sent', announce: false },
    sender: { destinations: [{ label: 'there', tidy }] },
    counters: { finished: 0 },
    report: () => undefined,
    signal: new AbortController().signal,
  } as unknown as SiteContext;
  return finishDirectory(plan, listing, site, { isClean: false, checked: 0, manifest: undefined });
};
const closedBy = (): unknown =>
  (JSON.parse(readFileSync(`${root}/DC1/finished.watch`, 'utf8')) as { closedBy: unknown }).closedBy;

it('says superseded where finished.parse is not there', async () => {
  expect(await finish('superseded')).toBeUndefined();
  expect(closedBy()).toBe('superseded');
});

it('says closed by the parser where finished.parse is there, whatever was planned', async () => {
  writeFileSync(`${root}/DC1/finished.parse`, '');
  expect(await finish('superseded')).toBeUndefined();
  expect(closedBy()).toBe('parser');
});

it.each(['finished.parse', 'a late file'])('does not finish what got %s after the last listing', async (name) => {
  expect(await finish('superseded', () => writeFileSync(`${root}/DC1/${name}`, ''))).toBe('files in it keep changing');
  expect(existsSync(`${root}/DC1/finished.watch`)).toBe(false);
});

it('does not finish what the parser opened again', async () => {
  writeFileSync(`${root}/DC1/finished.parse`, '');
  expect(await finish('parser', () => rmSync(`${root}/DC1/finished.parse`))).toBe('finished.parse was taken away');
  expect(existsSync(`${root}/DC1/finished.watch`)).toBe(false);
});
