import { execa } from 'execa';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { startPingServer, type PingServer } from '../support/ping-server.ts';
import { freePort } from '../support/ports.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';

const MAIL = new URL('../../templates/alert-mail', import.meta.url).pathname;
const UNIT = new URL('../../templates/isocket@.service', import.meta.url).pathname;

let folder: string;
let pings: PingServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-notify-'));
  pings = await startPingServer();
});
afterEach(async () => {
  await pings[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** `isocket check --notify`, of a site whose destination is not there: it is not wanted. */
const tryHooks = async (hooks: object, through: readonly string[] = []) => {
  const config = `${folder}/.isocketrc`;
  mkdirSync(`${folder}/datas`, { recursive: true });
  const destination = { transport: 'sftp', host: 'nowhere.invalid', path: '/there' };
  writeFileSync(config, JSON.stringify({ site: 'ED1 “Süd”', source: { root: `${folder}/datas` }, destination, hooks }));
  const [file, ...args] = [...through, process.execPath, CLI, '--config', config, 'check', '--notify'];
  const { exitCode, stdout } = await execa(file, args, { reject: false, cwd: '/' });
  return { exitCode, stdout };
};

it('gives one test alert and pings a failure, and says what came back', async () => {
  const alert = `cat >'${folder}/alert'; echo "id 4711 for $ISOCKET_HOOK"`;
  const { exitCode, stdout } = await tryHooks({ alert, ping: pings.url });
  expect(stdout).toMatch(/^ok +hooks\.alert +it was given a test alert, and ended .* it said: id 4711 for alert$/m);
  expect(stdout).toMatch(/^ok +hooks\.ping +http:\/\/127\.0\.0\.1:\d+\/… accepted a failure ping: /m);
  expect([exitCode, stdout.includes('secret'), pings.asked]).toEqual([0, false, ['/fail']]);
  expect(JSON.parse(readFileSync(`${folder}/alert`, 'utf8'))).toMatchObject({
    type: 'alert',
    state: 'raised',
    kind: 'test',
    site: 'ED1 “Süd”',
    root: `${folder}/datas`,
  });
});

it('what a command prints moves nothing on a terminal', async () => {
  const { stdout } = await tryHooks({ alert: `printf 'red\\033[31m\\033[2J\\302\\205' >&2; exit 3` });
  expect(stdout).toContain(String.raw`it said: red\x1b[31m\x1b[2J\x85`);
});

it('exit code 2 where one of them fails, with the reason of each', async () => {
  pings.status = 404;
  const { exitCode, stdout } = await tryHooks({ alert: 'echo no relay >&2; exit 3', ping: pings.url });
  expect(stdout).toMatch(/^failure +hooks\.alert +Cannot tell anybody: it ended with exit code 3; it said: no relay$/m);
  expect(stdout).toMatch(/^failure +hooks\.ping +Cannot ping http:\/\/127\.0\.0\.1:\d+\/…: it answers 404$/m);
  expect(exitCode).toBe(2);
});

it('exit code 2 where nobody would be told, and where the command would not be obeyed', async () => {
  const none = await tryHooks({ finished: 'cat' });
  expect([none.exitCode, none.stdout]).toEqual([
    2,
    expect.stringContaining('neither hooks.alert nor hooks.ping is set'),
  ]);
  rmSync(`${folder}/.isocketrc`);
  writeFileSync(`${folder}/.isocketrc`, '');
  chmodSync(`${folder}/.isocketrc`, 0o666);
  const other = await tryHooks({ alert: `touch '${folder}/run'` });
  expect([other.exitCode, other.stdout]).toEqual([2, expect.stringContaining('Did not run it: others can change')]);
  expect(existsSync(`${folder}/run`)).toBe(false);
});

/** As an ordinary user with what the unit forbids: no set-user-ID and no set-group-ID program, and the calls that its filter answers with EPERM. */
const asService = (): readonly string[] => {
  const unit = readFileSync(UNIT, 'utf8');
  for (const line of ['NoNewPrivileges=yes', 'CapabilityBoundingSet=', 'SystemCallFilter=~@privileged @resources'])
    expect(unit.split('\n')).toContain(line);
  const calls = 'setuid,setgid,setreuid,setregid,setresuid,setresgid,setgroups,setfsuid,setfsgid,chown,fchown,fchownat,chroot,setrlimit,setpriority'; // prettier-ignore
  const user = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--no-new-privs', '--bounding-set=-all']; // prettier-ignore
  return [
    ...user,
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=EPERM`,
  ];
};

it('templates/alert-mail tells by mail with no more rights than the unit has; Postfix’s sendmail and mail do not', async () => {
  chmodSync(folder, 0o755);
  await using sink = await startSmtpSink(folder);
  const send = (command: readonly string[]) => tryHooks({ alert: command, timeout: '5s' }, asService());
  const sent = await send(['sh', MAIL, 'ops@example.org', sink.url]);
  expect(sent).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^ok +hooks\.alert/m) as string });
  const [mail = '', ...more] = sink.mails();
  const [head = '', body = ''] = mail.replaceAll('\r', '').trimEnd().split('\n\n');
  const decode = (text: string): string => Buffer.from(text, 'base64').toString();
  expect(more).toEqual([]);
  expect(head).toContain('To: <ops@example.org>');
  expect(decode(/^Subject: =\?utf-8\?B\?(.*)\?=$/m.exec(head)?.[1] ?? '')).toBe('isocket ED1 “Süd”: test raised');
  expect(decode(body)).toMatch(/^a test of hooks\.alert .*: nothing is wrong\n\n\{"type":"alert",/);
  const failed = /^failure +hooks\.alert +Cannot tell anybody: /m;
  expect((await send(['/usr/sbin/sendmail', 'ops@example.org'])).stdout).toMatch(failed);
  const { stdout } = await send(['bsd-mailx', '-s', 'alert', 'ops@example.org']);
  expect(stdout).toMatch(new RegExp(`${failed.source}.*setgid: Operation not permitted`, 'm'));
  expect(await tryHooks({ alert: ['sh', MAIL, 'ops@example.org', `smtp://127.0.0.1:${await freePort()}`] })).toEqual({
    exitCode: 2,
    stdout: expect.stringMatching(/it said: curl: .*connect/i) as string,
  });
});

it('alert-mail is a script for every shell', () => execa('shellcheck', ['--shell=sh', MAIL]));
