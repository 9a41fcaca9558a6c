import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rememberConfig } from '../../../src/cli/commands/config-since.ts';
import { needRestart, reloadLines, type Reloaded } from '../../../src/cli/commands/receive-reload.ts';

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

describe('a receiver that is told to read its configuration again', () => {
  const options = { root: '/backup', listen: '127.0.0.1:2222', authorizedKeys: '/keys' };

  it('names what needs a restart', () => {
    expect(needRestart(options, { ...options, appendOnly: false, limits: { logins: 3 } })).toEqual([]);
    const now = {
      ...options,
      listen: '127.0.0.1:3333',
      keepVersions: true,
      status: { listen: '9181', textfile: null },
    };
    expect(needRestart(options, now)).toEqual(['receive.listen', 'receive.keepVersions', 'receive.status.listen']);
  });

  it('says of what was refused nothing that sounds like success', () => {
    const all = { hasKeys: true, limitsProblem: undefined, restart: [] };
    const lines = (of: Partial<Reloaded>) =>
      reloadLines({ ...all, ...of }).map(({ level, message }) => `${level}: ${message}`);
    expect(lines({})).toEqual(['result: read the authorized keys and the limits again']);
    expect(lines({ limitsProblem: 'wrong' })).toEqual([
      'result: read the authorized keys again',
      'warning: the limits stay as they are: wrong',
    ]);
    expect(lines({ hasKeys: false })).toEqual(['result: read the limits again']);
    expect(lines({ hasKeys: false, limitsProblem: 'wrong' })).toEqual(['warning: the limits stay as they are: wrong']);
    expect(lines({ restart: ['receive.listen'] }).at(-1)).toBe(
      'warning: receive.listen: changed in the configuration, and not in use yet; restart isocket to use it',
    );
  });
});
