import { lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parser } from '../support/parser.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences } from '../support/trees.ts';

// rsync ends with exit code 0 though it did not send a file that one of its options leaves out, here or there.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-left-out-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const isMarked = (site: TestSite, path: string): boolean => (lstatSync(`${site.root}/${path}`).mode & 0o020) !== 0;

it.each([
  ['--max-size=1000', 'DC1/big', 'DC1/file-1'],
  ['--ignore-existing', 'DC1/file-1', 'DC1/big'],
])('the server adds %s', async (option, leftOut, goes) => {
  const run = (destination: string): string =>
    `exec $(printf '%s' \\"$SSH_ORIGINAL_COMMAND\\" | sed 's/--server/--server ${option}/') # ${destination}`;
  await using server = await startSshd(folder, { command: run });
  const site = makeSite(folder, server, { destination: { transport: 'rsync' } });
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  writeFiles('DC1', 1, 500);
  if (option === '--ignore-existing') {
    expect((await site.scan()).exitCode).toBe(0);
    writeFiles('DC1', 1, 600); // Its content is another one.
  }
  writeFile('DC1/big', 20_000);
  closeDirectory('DC1');
  const { exitCode, events } = await site.scan();
  const failed = events.filter((event) => event.type === 'failed');
  expect([exitCode, failed.map(({ path }) => path)], JSON.stringify(events)).toEqual([3, [leftOut]]);
  expect(failed[0]?.message).toContain('left it out and ended without an error');
  expect([isMarked(site, leftOut), isMarked(site, goes)]).toEqual([false, true]);
  expect((await site.scan()).summary).toMatchObject({ failed: 1, finished: 0 });
  const checked = await site.run(['check']);
  expect(checked.stdout).toMatch(option === '--ignore-existing' ? /failure\s+replace\s.*left it out/ : /0 failures/);
});

it('the user’s own rsync has other options than ours', async () => {
  await using server = await startSshd(folder);
  writeFileSync(`${folder}/.popt`, 'rsync alias -t -t --max-size=1000\n');
  const site = makeSite(folder, server, { destination: { transport: 'rsync' } });
  const { writeFile, closeDirectory } = parser(site.root);
  writeFile('DC1/big', 20_000);
  closeDirectory('DC1');
  await using scan = site.start(['scan'], { env: { HOME: folder, RSYNC_PARTIAL_DIR: `${folder}/parts` } });
  expect(await scan.ended).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
});
