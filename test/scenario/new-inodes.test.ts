import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { mountSick } from '../support/sick-mount.ts';
import { makeSite } from '../support/site.ts';

const told = (events: readonly IsocketEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === 'note' && event.level === 'warning' && event.message.includes('inode') ? [event.message] : [],
  );

it('a run on a file system whose inode numbers may move says so, once, as check does', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'isocket-inodes-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const server = stack.use(await startOwnReceiver(folder));
  const site = makeSite(folder, server);
  stack.use(await mountSick(`${folder}/behind`, site.root));
  for (const name of ['DC1', 'DC2']) {
    parser(site.root).writeFiles(name, 2);
    parser(site.root).closeDirectory(name);
  }
  const words =
    'it is fuse: changes by other hosts raise no event, and where it gives files new inode numbers from time to time, they are sent again';
  expect((await site.run(['check'])).stdout).toContain(words);
  const warning = `${site.root} is fuse: where it gives files new inode numbers from time to time, they are sent again; mount it so that inode numbers stay (use_ino or noforget, serverino)`;
  const scan = await site.scan();
  expect(told(scan.events)).toEqual([warning]);
  expect((await site.run(['scan', '--quiet'])).stderr).toBe('');
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'watching');
  await expect.poll(() => told(daemon.events)).toEqual([warning]);
  // A disk of this host is no matter.
  const other = makeSite(folder, server, { name: 'other' });
  expect(told((await other.scan()).events)).toEqual([]);
});
