import { execa } from 'execa';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../support/ports.ts';
import { makeRcloneSite, startS3, type TestRemote } from '../support/rclone-remotes.ts';

let folder: string;
let remote: TestRemote;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-rclone-check-'));
  remote = await startS3(folder);
  const text = readFileSync(remote.config, 'utf8');
  writeFileSync(
    remote.config,
    `${text}\n${text.replace('[s3test]', '[thief]').replace(/(access_key_id = ).*/, '$1thief')}`,
  );
});
afterAll(async () => {
  await remote[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Line {
  readonly what: string;
  readonly state: string;
  readonly message: string;
  readonly hint?: string;
}

const check = async (destination: Readonly<Record<string, unknown>>) => {
  count += 1;
  const site = makeRcloneSite(folder, remote, { name: `case${count}`, destination });
  mkdirSync(`${site.root}/DC1`);
  const { exitCode, stdout } = await site.run(['check', '--json']);
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  return { exitCode, lines, bad: lines.filter(({ state }) => state === 'failure') };
};

it('finds nothing wrong with a right destination, and leaves nothing there', async () => {
  const { exitCode, lines, bad } = await check({});
  expect([exitCode, bad]).toEqual([0, []]);
  const whats = lines.map(({ what }) => what);
  for (const what of ['rclone here', 'remote', 'write', 'replace', 'compared']) expect(whats).toContain(what);
  expect(readdirSync(remote.folder)).toEqual([]);
});

it.each([
  ['rclone is not there', { program: 'rclone-of-nowhere' }, '"rclone-of-nowhere" is not installed', 'install rclone'],
  [
    'the remote is not known',
    { remote: 'unknown:bucket' },
    "didn't find section in config file",
    'destination.remote and destination.config',
  ],
  ['the keys are wrong', { remote: 'thief:bucket' }, 'InvalidAccessKeyId', 'keys or the login of this remote'],
  ['no bucket is named', { remote: 's3test:' }, 'names no bucket', 'such as s3:bucket'],
  [
    'the bucket is not there, and may not be made',
    { remote: 's3test:forbidden' },
    'AccessDenied',
    'what the account may do',
  ],
] as const)('%s', async (_what, destination, message, hint) => {
  const { exitCode, bad } = await check(destination);
  expect(bad).toEqual([
    expect.objectContaining({
      message: expect.stringContaining(message) as string,
      hint: expect.stringContaining(hint) as string,
    }),
  ]);
  expect(bad[0]?.message).not.toContain('\n');
  expect(exitCode).toBe(3);
  expect(readdirSync(`${folder}/s3`)).toEqual(['bucket']);
});

it('tells of a bucket that rclone makes', async () => {
  const { exitCode, lines } = await check({ remote: 's3test:new' });
  expect(exitCode).toBe(0);
  expect(lines.find(({ what }) => what === 'folder')).toMatchObject({
    state: 'warning',
    message: expect.stringMatching(
      /^there is no rclone:\/\/s3test:new\S* yet: rclone makes it with the first file, if it may$/,
    ) as string,
  });
  rmSync(`${folder}/s3/new`, { recursive: true });
});

it('a store that is away is the network', async () => {
  const config = `${folder}/away.conf`;
  const text = readFileSync(remote.config, 'utf8').replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${await freePort()}`);
  writeFileSync(config, text);
  const { exitCode, bad } = await check({ config });
  expect([exitCode, bad.map(({ hint }) => hint)]).toEqual([3, ['see the network and the server']]);
});

/** As a person does it: rclone reads a line only once it has asked for it. */
const encrypted = async (password: string): Promise<string> => {
  const config = `${folder}/encrypted.conf`;
  copyFileSync(remote.config, config);
  const dialogue = execa('rclone', ['--config', config, 'config'], { all: true });
  const answers = [
    /s\/q> /,
    's',
    /a\/q> /,
    'a',
    /password:/,
    password,
    /password:/,
    password,
    /u\/q> /,
    'q',
    /s\/q> /,
    'q',
  ];
  let said = '';
  for await (const piece of dialogue.all) {
    said += String(piece);
    const [question, answer] = answers as [RegExp | undefined, string];
    if (question?.test(said) !== true) continue;
    said = '';
    answers.splice(0, 2);
    dialogue.stdin.write(`${answer}\n`);
  }
  await dialogue;
  expect(readFileSync(config, 'utf8')).toContain('RCLONE_ENCRYPT_V0');
  return config;
};

it('opens an encrypted rclone.conf with a password, or a command that says it, of the environment', async () => {
  const config = await encrypted('right');
  count += 1;
  const site = makeRcloneSite(folder, { ...remote, config }, { name: `case${count}` });
  const sent = async (name: string, env: Readonly<Record<string, string>>) => {
    mkdirSync(`${site.root}/DC1`, { recursive: true });
    writeFileSync(`${site.root}/DC1/${name}`, name);
    await using scan = site.start(['scan'], { env });
    return { exitCode: await scan.ended, said: JSON.stringify(scan.events) + scan.stderr() };
  };
  expect(await sent('a', { RCLONE_CONFIG_PASS: 'right' })).toMatchObject({ exitCode: 0 });
  expect(await sent('b', { RCLONE_PASSWORD_COMMAND: 'echo right' })).toMatchObject({ exitCode: 0 });
  expect(readdirSync(`${remote.folder}/DC1`)).toEqual(['a', 'b']);
  for (const env of [{}, { RCLONE_CONFIG_PASS: 'wrong' }] as const) {
    const { exitCode, said } = await sent('c', env);
    expect(exitCode).toBe(3);
    expect(said).toContain('RCLONE_CONFIG_PASS');
    expect(said).not.toContain('right');
  }
});
