import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { rememberConfig } from '../../../src/cli/commands/config-since.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-since-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const TEXT = 'source: { root: /datas }\ndestination: { transport: sftp, host: h, path: /p }\n';

it.each([
  ['left alone', TEXT, undefined],
  ['with another comment', `# new\n${TEXT}`, undefined],
  ['changed', `${TEXT}verify: all\n`, 'restart isocket'],
  ['spoilt', `${TEXT}vrify: all\n`, 'rc: a problem: line 3: vrify is "all": expected a known key'],
  [
    'spoilt twice',
    `${TEXT}vrify: all\nanounce: true\n`,
    /: 2 problems: line 3: vrify is [^\n]*; line 4: anounce is [^\n]*; correct it, then restart isocket$/,
  ],
  ['gone', undefined, 'it is not there'],
])('says what to do with a configuration that is %s', async (_how, text, words) => {
  const config = join(folder, 'rc');
  writeFileSync(config, TEXT);
  const changeSince = await rememberConfig({ config });
  if (text === undefined) rmSync(config);
  else writeFileSync(config, text);
  const said = await changeSince();
  if (words === undefined) expect(said).toBe(undefined);
  else expect(said).toEqual(words instanceof RegExp ? expect.stringMatching(words) : expect.stringContaining(words));
  // One line an event.
  expect(said ?? '').not.toContain('\n');
});
