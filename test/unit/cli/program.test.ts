import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COMMANDS } from '../../../src/cli/command-table.ts';
import { TOPICS } from '../../../src/cli/manual/topics.ts';
import { run } from '../../../src/cli/program.ts';
import { idleActivity } from '../../../src/instance/activity.ts';
import { lockRoot } from '../../../src/instance/lock.ts';

let folder: string;
let root: string;
let config: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'isocket-program-')));
  root = join(folder, 'datas');
  config = join(folder, 'rc');
  mkdirSync(join(root, 'DC1'), { recursive: true });
  writeConfig('');
});
afterEach(() => rmSync(folder, { recursive: true }));

const writeConfig = (more: string): void =>
  writeFileSync(
    config,
    `site: program\nsource: { root: ${root}, tag: DC, settle: 0s }\ndestination: { transport: sftp, host: 127.0.0.1, port: 1, path: /p }\nstate: ${folder}/state\n${more}`,
  );

/** A command in this process: what it prints, and its exit code. */
const isocket = async (...args: string[]) => {
  const printed = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      printed[stream] += String(text);
      return true;
    }),
  );
  try {
    return { exitCode: await run(args), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
};

const objects = (stdout: string): unknown[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

describe('options of every command', () => {
  it.each([
    ['before the command', ['--json', '--config'], ['status']],
    ['after it', ['--config'], ['status', '--json']],
  ])('%s', async (_where, before, after) => {
    const { exitCode, stdout, stderr } = await isocket(...before, config, ...after);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(objects(stdout)).toMatchObject([{ site: 'program' }]);
  });

  it.each([[['--verbose', 'status']], [['status', '--verbose']]])('%j', async (args) => {
    expect((await isocket('--config', config, ...args)).stderr).toContain(`configuration: ${config}`);
  });

  it.each([[['--quiet', 'check']], [['check', '--quiet']]])('%j', async (args) => {
    expect((await isocket('--config', config, ...args)).stdout).not.toMatch(/^ok/m);
  });
});

it.each([
  [['nosuch', '--help']],
  [['nosuch', '-h']],
  [['help', 'nosuch']],
  [['--config', '/rc', 'nosuch', '--quiet', '--help']],
])('%j: help for a command that there is not is an error of usage', async (args) => {
  expect(await isocket(...args)).toEqual(await isocket('nosuch'));
  const { exitCode, stdout, stderr } = await isocket(...args, '--json');
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("unknown command 'nosuch'")]);
  expect(objects(stdout)).toEqual([{ type: 'error', exitCode: 2, message: "unknown command 'nosuch'" }]);
});

describe('an error with --json is an object on stdout too', () => {
  it('of the configuration, with each problem', async () => {
    writeConfig('vrify: all\n');
    const { exitCode, stdout, stderr } = await isocket('--config', config, 'scan', '--json');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('isocket: Cannot use');
    expect(objects(stdout)).toEqual([
      { type: 'config', path: config },
      {
        type: 'error',
        exitCode: 2,
        message: expect.stringContaining('vrify') as string,
        hint: expect.any(String) as string,
        problems: [
          { path: 'vrify', found: 'all', expected: expect.stringContaining('perhaps "verify"') as string, line: 5 },
        ],
      },
    ]);
  });

  it.each([
    ['a file that is not there', ['--json', '--config', '/nowhere', 'scan'], 'it is not there'],
    ['an unknown option', ['scan', '--json', '--dryrun'], '--dryrun'],
    ['an unknown command', ['--json', 'scna'], 'scna'],
  ])('%s', async (_title, args, words) => {
    const { exitCode, stdout } = await isocket(...args);
    expect(exitCode).toBe(2);
    const expected = expect.stringContaining(words) as string;
    expect(objects(stdout)).toMatchObject([{ type: 'error', exitCode: 2, message: expected }]);
  });

  it.each([
    [['--json', '--help'], { type: 'help', text: expect.stringContaining('\n  scan ') as string }],
    [['scan', '--help', '--json'], { type: 'help', text: expect.stringContaining('--dry-run') as string }],
    [['--json', '--version'], { type: 'version', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string }],
  ])('%j: what is asked for is an object too', async (args, object) => {
    const { exitCode, stdout, stderr } = await isocket(...args);
    expect([exitCode, stderr, objects(stdout)]).toEqual([0, '', [object]]);
  });

  it('no command at all', async () => {
    const { exitCode, stdout } = await isocket('--json');
    expect([exitCode, objects(stdout)]).toMatchObject([
      2,
      [{ type: 'error', message: expect.stringContaining('no command') as string }],
    ]);
  });

  it('and not one without it', async () => {
    expect((await isocket('--config', '/nowhere', 'scan')).stdout).toBe('');
    expect((await isocket('--help')).exitCode).toBe(0);
  });
});

it('says which process works on the root', async () => {
  const site = { name: 'program', root, state: `${folder}/state` };
  await using stack = new AsyncDisposableStack();
  stack.use(await lockRoot(site, () => ({ ...idleActivity(new Date()), kind: 'daemon', pid: process.pid })));
  const { exitCode, stderr } = await isocket('--config', config, 'scan');
  expect(exitCode).toBe(4);
  expect(stderr).toContain(`another isocket already works on "${root}": the daemon, process ${process.pid}`);
});

describe('scan --dry-run', () => {
  it('lists what is never sent', async () => {
    symlinkSync('/etc/passwd', join(root, 'DC1/link'));
    writeFileSync(join(root, 'DC1/.hidden'), '');
    const { exitCode, stdout } = await isocket('--config', config, 'scan', '--dry-run');
    expect([exitCode, stdout]).toEqual([0, 'skipped DC1/link: symlink\n']);
  });

  it('says that the tag matches nothing, and what there is', async () => {
    writeFileSync(
      config,
      `source: { root: ${root}, tag: ED }\ndestination: { transport: sftp, host: h, path: /p }\nstate: ${folder}/state\n`,
    );
    const words = `no directory in ${root} begins with "ED" (source.tag); there are: DC1`;
    expect((await isocket('--config', config, 'scan', '--dry-run')).stderr).toContain(words);
    expect((await isocket('--config', config, 'status')).stdout).toContain(words);
  });
});

it('check has the lines of each of several destinations below its name, in columns; as an object each has it', async () => {
  const at = (place: number, more = ''): string =>
    `{ transport: sftp, host: 127.0.0.1, port: 1, path: /p${place}, knownHosts: /none${more} }`;
  writeFileSync(
    config,
    `source: { root: ${root}, tag: DC }\ndestination: [${at(1)}, ${at(2, ', required: false')}]\nstate: ${folder}/state\n`,
  );
  const { stdout } = await isocket('--config', config, 'check');
  expect(stdout).toMatch(
    /^destination 1:\n(?:ok {7}.*\n)*failure {2}connect {11}Cannot [^]*^destination 2 \(best effort\):\n(?:ok {7}.*\n)*warning {2}connect {11}Cannot /m,
  );
  const lines = stdout.split('\n').filter((line) => /^(?:ok|warning|failure) /.test(line));
  expect(lines.filter((line) => !/^\S+ +(?<=^.{9})\S.* +(?<=^.{27})\S/.test(line))).toEqual([]);
  const told = objects((await isocket('--config', config, '--json', 'check')).stdout);
  expect(told).toContainEqual(expect.objectContaining({ what: 'destination 2 (best effort): connect' }));
});

describe('what is told without a command', () => {
  it('a topic, as text and as an object; a command goes before', async () => {
    for (const { name, rows } of TOPICS) {
      const { exitCode, stdout } = await isocket('help', name);
      expect([exitCode, rows.filter(([what]) => !stdout.includes(what))]).toEqual([0, []]);
    }
    expect(objects((await isocket('help', 'marks', '--json')).stdout)).toMatchObject([{ type: 'help' }]);
    expect((await isocket('help', 'scan')).stdout).toContain('isocket scan [options]');
    expect(await isocket('help', 'help')).toEqual(await isocket('--help'));
    expect(
      COMMANDS.map(({ usage }) => usage.split(' ')[0]).filter((one) => TOPICS.some(({ name }) => name === one)),
    ).toEqual([]);
  });

  it('what a report of a fault needs', async () => {
    const { exitCode, stdout } = await isocket('--version', '--verbose');
    expect([exitCode, stdout.split('\n')[0]]).toEqual([0, expect.stringMatching(/^isocket +\d+\.\d+\.\d+/)]);
    const [object] = objects((await isocket('--json', '--verbose', '-V')).stdout);
    expect(object).toMatchObject({
      type: 'version',
      node: expect.stringContaining(process.versions.node) as string,
      ssh: expect.stringMatching(/^OpenSSH/) as string,
      rsync: expect.stringMatching(/version \d/) as string,
    });
    expect((await isocket('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });
});
