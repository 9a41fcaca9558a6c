import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/cli/commands/open-site.ts';
import { expectedKey } from '../../../src/core/config-problems.ts';
import { UserError } from '../../../src/errors.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-mistakes-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the user is told of a configuration; "" where it can be used. */
const told = async (text: string): Promise<string> => {
  const config = join(folder, 'rc');
  writeFileSync(config, text);
  const error: unknown = await readConfig({ config }, () => undefined).catch((reason: unknown) => reason);
  if (!(error instanceof UserError)) return '';
  expect(error.exitCode).toBe(2);
  return error.message;
};

const sftp = (keys: string): string =>
  `source: { root: /datas }\ndestination: { transport: sftp, host: h, path: /p, ${keys} }\n`;
const rsync = (keys: string): string => sftp(keys).replace('sftp', 'rsync');
const host = (value: string): string => sftp('').replace('host: h', `host: "${value}"`);
const path = (value: string): string => sftp('').replace('path: /p', `path: "${value}"`);

/** What is wrong, the configuration, and what must be said of it; the line that begins with a minus must not be. */
const mistakes: readonly (readonly [string, string, ...string[]])[] = [
  ['a transport misspelt', sftp('').replace('sftp', 'sfpt'), 'destination.transport is "sfpt"', 'perhaps "sftp"'],
  [
    'a transport misspelt, and an unknown key beside it',
    sftp('prot: 22').replace('sftp', 'sfpt'),
    'perhaps "sftp"',
    'destination.prot is 22: expected a known key, perhaps "port"',
  ],
  [
    'the key of the transport misspelt, and others beside it',
    `source: { root: /datas, setle: 2s }\ndestination: { transprot: sftp, hots: h, path: /p }\nvrify: all\n`,
    '5 problems',
    'destination.transprot is "sftp": expected a known key, perhaps "transport"',
    'destination.hots is "h": expected a known key, perhaps "host"',
    'source.setle',
    'vrify',
  ],
  [
    'a transport that cannot be loaded, and an unknown key elsewhere',
    `${sftp('').replace('sftp', './none.mjs')}vrify: all\n`,
    '2 problems',
    'line 2: destination: Cannot use transport "./none.mjs"',
    'perhaps "verify"',
  ],
  ['user@host', host('me@drms'), 'destination.host is "me@drms": expected', 'host: drms, user: me'],
  ['ssh://', host('ssh://me@drms:2222/b'), 'host: drms, user: me, port: 2222, path: /b'],
  ['host:port', host('drms:2222'), 'host: drms, port: 2222'],
  ['host:/path', host('drms:/backup'), 'host: drms, path: /backup'],
  ['an address in brackets', host('[::1]:2222'), 'host: ::1, port: 2222'],
  ['user@host with rsync', host('me@drms').replace('sftp', 'rsync'), 'host: drms, user: me'],
  ['a path in the home', path('~/x'), 'destination.path is "~/x": expected', 'path: x'],
  ['a path in the home, with rsync', path('~/x').replace('sftp', 'rsync'), 'path: x'],
  ['a path in the home of another', path('~joe/x'), 'no "~"'],
  ['a path with a variable', path('$HOME/x'), 'no variable'],
  ['a path with a host', path('drms:/backup'), 'path: /backup'],
  ['a file in the home of another', sftp('identityFile: ~joe/key'), 'destination.identityFile', '"~/"'],
  ['a file with a variable', rsync('knownHosts: $HOME/k'), 'destination.knownHosts', 'no variable'],
  [
    'a root in the home',
    sftp('').replace('/datas', '~/datas'),
    ': a problem\n',
    'source.root is "~/datas"',
    'an absolute path',
    '"~"',
  ],
  [
    'a back-off that begins above its end',
    `${sftp('')}send: { retry: { first: 2m } }\n`,
    'send.retry.first is "2m": expected at most send.retry.most (60s)',
  ],
  [
    'a port for all',
    `${sftp('')}status: { listen: ":9180" }\n`,
    'line 3: status.listen is ":9180"',
    'expected HOST:PORT, such as 127.0.0.1:9180',
  ],
  [
    'no destination that is required',
    sftp('required: false'),
    'line 2: destination: one destination at least must be required',
  ],
  ['a requirement that is none', sftp('required: no way'), 'destination.required is "no way": expected true or false'],
];

describe('a mistake in the configuration', () => {
  it.each(mistakes)('%s', async (_title, text, ...words) => {
    const message = await told(text);
    for (const word of words) expect(message).toContain(word);
  });

  it.each([
    ['an IPv6 address', host('fe80::1%eth0')],
    ['a relative path', path('backup/ED1')],
    ['a drive', path('D:/backup')],
    ['a back-off of one length', `${sftp('')}send: { retry: { first: 60s } }\n`],
    ['a file in the home', sftp('identityFile: ~/key')],
  ])('is not %s', async (_title, text) => {
    expect(await told(text)).toBe('');
  });
});

describe('one place twice in the list of destinations', () => {
  const list = (...sections: string[]): Promise<string> =>
    told(`source: { root: /datas }\ndestination:\n${sections.map((one) => `  - { ${one} }\n`).join('')}`);

  it.each([
    ['word for word', 'transport: sftp, host: h, path: /p', 'transport: sftp, host: h, path: /p'],
    [
      'with a default written out',
      'transport: sftp, host: h, path: /p',
      'transport: sftp, host: H, port: 22, path: /p/./',
    ],
    ['by rclone', 'transport: rclone, remote: /x/rl, path: ED1', 'transport: rclone, remote: ":local:/x//rl/./ED1/"'],
    ['with another key', 'transport: sftp, host: h, path: /p', 'transport: sftp, host: h, path: /p, agent: true'],
    [
      'by another transport',
      'transport: sftp, host: h, path: /p, user: u',
      'transport: rsync, host: h, path: /p, user: u',
    ],
  ])('is told with both entries: %s', async (_, one, other) => {
    const message = await list(one, 'transport: sftp, host: another, path: /p', other);
    expect(message).toContain('destination 3: the same place as destination 1: ');
  });

  it.each([
    ['host', 'transport: sftp, host: i, path: /p, user: u'],
    ['port', 'transport: sftp, host: h, path: /p, user: u, port: 23'],
    ['user', 'transport: sftp, host: h, path: /p, user: v'],
    ['path', 'transport: sftp, host: h, path: /q, user: u'],
  ])('is not what differs by its %s', async (_, other) => {
    expect(await list('transport: sftp, host: h, path: /p, user: u', other)).toBe('');
  });

  it.each([
    ['below another one', 'transport: sftp, host: h, path: /p', 'transport: sftp, host: h, path: /p/DC1'],
    ['above another one', 'transport: rsync, host: h, path: /p/DC1/x', 'transport: sftp, host: h, path: /p'],
    ['below it by rclone', 'transport: rclone, remote: "s3:b"', 'transport: rclone, remote: "s3:b/DC1"'],
  ])('is told where one is %s', async (_, one, other) => {
    expect(await list(one, other)).toContain('files of one would replace those of the other');
  });

  it('is told with all other problems', async () => {
    const place = 'transport: sftp, host: h, path: /p';
    const message = await list(place, 'transport: sftp, path: /p', place);
    expect(message).toContain('destination 2: host is missing');
    expect(message).toContain('destination 3: the same place as destination 1');
  });
});

describe('the line of a mistake', () => {
  const block = `# settle: 1
source:
  root: /datas
  settle: 2 # "settle: 3"
destination:
  - transport: sftp
    host: h
    path: /p
  - { transport: sftp, host: h, path: /p,
      "prot": 22 }
  - transport: sftp
    path: /p
`;
  it('is the one that an editor shows, in block and flow, quoted and not', async () => {
    const message = await told(block);
    expect(message).toContain('line 4: source.settle is 2');
    expect(message).toContain('line 10: destination 2: prot is 22');
    expect(message).toContain('destination 3: host is missing');
  });

  it('has entries of a list counted from 1, as the commands count them', async () => {
    const message = await told(`source: { root: /datas, exclude: ['.*', 7] }\ndestination: [7]\n`);
    expect(message).toContain('source.exclude 2 is 7: expected string');
    expect(message).toContain('destination 1 is 7: expected a section');
  });

  it('is told of JSON too', async () => {
    const message = await told('{\n\t"source": {\n\t\t"root": "datas"\n\t},\n\t"destination": 7\n}\n');
    expect(message).toContain('line 3: source.root is "datas"');
    expect(message).toContain('line 5: destination is 7');
  });

  it('of a missing key is that of its section', async () => {
    expect(await told('source:\n  root: /d\n\ndestination:\n  transport: sftp\n  path: /p\n')).toContain(
      'line 4: destination.host is missing',
    );
  });

  it('is not told where there is none', async () => {
    expect(await told('verify: all\n')).toContain('\n  source is missing');
  });
});

describe('a secret in the wrong place', () => {
  it.each([
    [
      'the password under a key of its own',
      sftp('password: hunter2'),
      'hunter2',
      'destination.password is "(not shown)": expected a known key',
    ],
    [
      'the key itself in place of its file',
      sftp('identityFile: "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1r\\n"'),
      'b3BlbnNz',
      'the path of a file, not what is in it',
    ],
  ])('%s is not repeated', async (_title, text, secret, said) => {
    const message = await told(text);
    expect(message).toContain(said);
    expect(message).not.toContain(secret);
  });
});

it('suggests no key that is nothing like the one that is not known', () => {
  const known = ['transport', 'path', 'host', 'port', 'knownHosts', 'identityFile'];
  expect(expectedKey('ssh', known)).not.toContain('perhaps');
  expect(expectedKey('allowDeleteFirst', known)).not.toContain('perhaps');
  for (const [key, meant] of [
    ['prot', 'port'],
    ['hots', 'host'],
    ['identifyfile', 'identityFile'],
    ['known_hosts', 'knownHosts'],
  ] as const)
    expect(expectedKey(key, known)).toContain(`perhaps "${meant}"`);
});
