import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, fstatSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-log-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const read = (path: string): string => readFileSync(path, 'utf8');
const siteWith = (log: object) => {
  const site = makeSite(folder, server, { more: { log } });
  parser(site.root).writeFile('DC1/file');
  return site;
};

it('the daemon logs into a file, with a line at its start and one at its end, and leaves one that was moved away', async () => {
  const log = `${folder}/log`;
  const site = siteWith({ file: log });
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'sent');
  renameSync(log, `${log}.1`);
  process.kill(daemon.pid, 'SIGHUP');
  // What SIGHUP lists finds the directory closed.
  parser(site.root).closeDirectory('DC1');
  await daemon.event(({ type }) => type === 'finished');
  expect(await daemon.stop()).toBe(143);
  expect(read(`${log}.1`)).toMatch(
    new RegExp(
      `^\\S+Z info: isocket \\d\\S* begins as daemon \\(process ${daemon.pid}\\): site site, ${site.root} to [^\\n]*127\\.0\\.0\\.1[^\\n]*; configuration ${site.config}\\n`,
    ),
  );
  const words = 'isocket ends on SIGTERM, after [^\\n]*: sent 1 file, [^\\n]*; finished 1 directory';
  expect(read(log)).toMatch(new RegExp(`info: DC1 is finished: 1 file, [^]*Z info: ${words}\\n$`));
});

it('a log that cannot be written stops nothing: one warning', async () => {
  const site = siteWith({ file: `${folder}/nowhere/log`, level: 'debug' });
  const { exitCode, stderr } = await site.run(['scan']);
  expect(exitCode).toBe(0);
  expect(stderr.match(/Cannot write the log/g)).toHaveLength(1);
  expect(stderr).toMatch(/warning: Cannot write the log "[^"]*": no such file or directory; .*correct log\.file/);
  expect(stderr).toContain('sent 1 file');
});

it('level and format are the configuration’s, and of stderr the command line’s where it says one', async () => {
  const log = `${folder}/log`;
  const site = siteWith({ file: log, level: 'debug', format: 'json' });
  const { stderr } = await site.run(['scan', '--quiet']);
  expect(stderr).toBe('');
  const lines = read(log)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toContainEqual(
    expect.objectContaining({
      level: 'debug',
      type: 'sent',
      path: 'DC1/file',
      message: expect.stringMatching(/^sent DC1\/file \(/) as string,
    }),
  );
  expect(lines).toContainEqual(expect.objectContaining({ level: 'debug', type: 'started', command: 'scan' }));
});

it('a scan with nothing to do writes nothing, whatever the log is', async () => {
  const log = `${folder}/log`;
  const site = makeSite(folder, server, { more: { log: { file: log } } });
  expect(await site.run(['scan'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  expect(() => read(log)).toThrow('ENOENT');
});

it('a log in the root is refused, with its line', async () => {
  const site = siteWith({ file: `${folder}/site/datas/DC1/log` });
  const { exitCode, stderr } = await site.run(['scan']);
  expect([exitCode, stderr]).toEqual([
    2,
    expect.stringMatching(/log\.file is .*: expected a file outside source\.root/),
  ]);
});

it('the journal gets levels, and no second time: of lines and of errors', async () => {
  siteWith({});
  const stream = openSync(`${folder}/stream`, 'w');
  const { dev, ino } = fstatSync(stream, { bigint: true });
  const run = async (...args: string[]): Promise<string> => {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: `${folder}/site`,
      env: { PATH: process.env.PATH, JOURNAL_STREAM: `${dev}:${ino}` },
      stdio: ['ignore', 'ignore', stream],
    });
    await once(child, 'exit');
    return read(`${folder}/stream`);
  };
  expect(await run('scan')).toMatch(/^<6>info: sent 1 file, [^\n]*\n$/);
  expect(await run('--config', '/nowhere', 'scan')).toMatch(
    /\n<3>isocket: Cannot read [^\n]*\n<3> {2}correct [^\n]*\n$/,
  );
  closeSync(stream);
});

it('a log file that was moved away, and whose new one is not there yet, is not lost', async () => {
  // As a user whom the folder does not let make files.
  chmodSync(folder, 0o777);
  const module = new URL('../../src/cli/log/log-file.ts', import.meta.url).href;
  const script = `
    import { LogFile } from '${module}';
    const file = new LogFile('${folder}/log');
    file.print('one\\n');
    process.stdout.write('ready');
    await new Promise((resolve) => process.stdin.once('data', resolve));
    file.reopen();
    file.print('two\\n');
    process.exit(0);`;
  const args = [
    '--reuid=54321',
    '--regid=54321',
    '--clear-groups',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ];
  const child = spawn('setpriv', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  renameSync(`${folder}/log`, `${folder}/log.1`);
  chmodSync(folder, 0o755);
  child.stdin.write('go');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(readFileSync(`${folder}/log.1`, 'utf8')).toBe('one\ntwo\n');
});
