import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiveOptions, type ReceiveFlags } from '../../src/cli/commands/receive-options.ts';
import { receive } from '../../src/cli/commands/receive.ts';
import { DEFAULT_LIMITS } from '../../src/receiver/admission.ts';
import { UserError } from '../../src/errors.ts';
import { loadHostKey } from '../../src/receiver/host-key.ts';
import { startReceiver, type Receiver } from '../../src/receiver/receiver.ts';

let home: string;
let root: string;
let receiver: Receiver;
let logged: string[];

const inHome = (name: string): string => join(home, name);
const makeKey = (name: string, type = 'ed25519'): string => {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', inHome(name)]);
  return fs.readFileSync(inHome(`${name}.pub`), 'utf8');
};

beforeEach(async () => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-receiver-'));
  root = inHome('root');
  fs.mkdirSync(root);
  logged = [];
  const authorizedKeys = `# the sources\nrestrict ${makeKey('key')}`;
  receiver = await startReceiver({
    root,
    host: '127.0.0.1',
    port: 0,
    authorizedKeys,
    hostKey: loadHostKey(inHome('host_key')),
    log: (level, message) => logged.push(`${level}: ${message}`),
    tell: ({ action, reason = '', user, key }) => logged.push(`${action}: ${user ?? ''} ${key ?? ''} ${reason}`),
  });
  const hostKey = execFileSync('ssh-keygen', ['-y', '-f', inHome('host_key')], { encoding: 'utf8' });
  fs.writeFileSync(inHome('known_hosts'), `[127.0.0.1]:${receiver.port} ${hostKey}`);
});

afterEach(async () => {
  await receiver[Symbol.asyncDispose]();
  fs.rmSync(home, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const run = async (program: string, args: readonly string[], input = ''): Promise<Outcome> => {
  const child = execFile(program, args, { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(Buffer.from(chunk)));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(Buffer.from(chunk)));
  child.stdin?.on('error', () => undefined).end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
};

const sshOptions = (key = 'key'): string[] =>
  [
    `IdentityFile=${inHome(key)}`,
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${inHome('known_hosts')}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option]);

const sftp = (commands: readonly string[], key = 'key', more: readonly string[] = []) =>
  run(
    'sftp',
    [
      '-F',
      'none',
      ...sshOptions(key),
      ...more.flatMap((option) => ['-o', option]),
      '-P',
      String(receiver.port),
      '-b',
      '-',
      'source@127.0.0.1',
    ],
    `${commands.join('\n')}\n`,
  );
const scp = (args: readonly string[]) =>
  run('scp', ['-F', 'none', ...sshOptions(), '-P', String(receiver.port), ...args]);
const ssh = (args: readonly string[]) =>
  run('ssh', ['-F', 'none', ...sshOptions(), '-p', String(receiver.port), 'source@127.0.0.1', ...args]);
const remote = (path: string): string => `source@127.0.0.1:${path}`;

describe('sftp of OpenSSH', () => {
  it.each([0, 1, 32_000, 32_768, 5_000_003])('transfers %i bytes in both directions', async (size) => {
    const data = randomBytes(size);
    fs.writeFileSync(inHome('data'), data);
    const outcome = await sftp([`put -f ${inHome('data')} there`, `get there ${inHome('back')}`]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(fs.readFileSync(join(root, 'there')).equals(data)).toBe(true);
    expect(fs.readFileSync(inHome('back')).equals(data)).toBe(true);
  });

  it('transfers in both directions while keys are exchanged again and again', async () => {
    const data = randomBytes(6_000_003);
    fs.writeFileSync(inHome('data'), data);
    const outcome = await sftp([`put ${inHome('data')} there`, `get there ${inHome('back')}`], 'key', [
      'RekeyLimit=256K',
    ]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(fs.readFileSync(join(root, 'there')).equals(data)).toBe(true);
    expect(fs.readFileSync(inHome('back')).equals(data)).toBe(true);
  });

  it('keeps mtime and mode, replaces by rename, lists, creates and removes', async () => {
    fs.writeFileSync(inHome('data'), 'new', { mode: 0o640 });
    fs.utimesSync(inHome('data'), 1_500_000_000, 1_500_000_001);
    fs.writeFileSync(join(root, 'old'), 'old');
    const outcome = await sftp([
      'mkdir folder',
      `put -p ${inHome('data')} folder/data`,
      'rename folder/data old',
      'chmod 600 old',
      'ls -la',
      'rmdir folder',
      'df',
    ]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const stats = fs.statSync(join(root, 'old'));
    expect(stats.mtimeMs).toBe(1_500_000_001_000);
    expect(stats.mode & 0o7777).toBe(0o600);
    expect(fs.readFileSync(join(root, 'old'), 'utf8')).toBe('new');
    expect(fs.readdirSync(root)).toEqual(['old']);
    expect(outcome.stdout.toString()).toMatch(/^-rw------- .* 3 Jul 14 +2017 .*old$/m);
  });

  it('lists more entries than fit into one reply', async () => {
    const names = Array.from({ length: 1234 }, (_, index) => `file-${String(index).padStart(4, '0')}`);
    for (const name of names) fs.writeFileSync(join(root, name), '');
    const outcome = await sftp(['ls -1']);
    expect(outcome.stdout.toString().split('\n').slice(1, -1)).toEqual(names);
  });

  it('cannot leave the root', async () => {
    fs.writeFileSync(inHome('secret'), 'secret');
    fs.symlinkSync('..', join(root, 'link'));
    for (const path of ['link/secret', '/link/../link/secret', inHome('secret'), `..${inHome('secret')}`]) {
      expect.soft((await sftp([`get ${path} ${inHome('stolen')}`])).code).not.toBe(0);
      expect.soft((await sftp([`put ${inHome('key.pub')} ${path}`])).code).not.toBe(0);
    }
    // ".." at the root is the root.
    expect((await sftp([`get ../secret ${inHome('stolen')}`])).code).not.toBe(0);
    expect((await sftp([`put ${inHome('key.pub')} ../secret`])).code).toBe(0);
    expect(fs.existsSync(join(root, 'secret'))).toBe(true);
    expect((await sftp([`ln -s /etc evil`])).code).not.toBe(0);
    expect((await sftp([`ln secret evil`])).code).not.toBe(0);
    expect(fs.existsSync(inHome('stolen'))).toBe(false);
    expect(fs.readFileSync(inHome('secret'), 'utf8')).toBe('secret');
  });
});

describe('other clients', () => {
  it('scp copies a tree in both directions', async () => {
    const source = inHome('tree');
    fs.mkdirSync(join(source, 'a/b'), { recursive: true });
    for (const name of ['one', 'a/two words', 'a/b/drei-äöü'])
      fs.writeFileSync(join(source, name), randomBytes(70_000));
    expect(await scp(['-r', source, remote('copy')])).toMatchObject({ code: 0, stderr: '' });
    expect(await scp(['-rp', remote('copy'), inHome('back')])).toMatchObject({ code: 0, stderr: '' });
    execFileSync('diff', ['-r', source, join(root, 'copy')]);
    execFileSync('diff', ['-r', source, inHome('back')]);
  });

  it('lftp mirrors a tree', async () => {
    const source = inHome('tree');
    fs.mkdirSync(join(source, 'sub'), { recursive: true });
    for (let index = 0; index < 30; index += 1) fs.writeFileSync(join(source, 'sub', `f${index}`), randomBytes(5000));
    const command = `ssh -a -x -F none ${sshOptions().join(' ')}`;
    const script = `set sftp:connect-program "${command}"; set net:max-retries 1; open sftp://source:@127.0.0.1:${receiver.port}; mirror -R --parallel=4 ${source} copy; bye`;
    expect(await run('lftp', ['--norc', '-c', script])).toMatchObject({ code: 0 });
    execFileSync('diff', ['-r', source, join(root, 'copy')]);
  });
});

describe('append-only', () => {
  let appending: Receiver;
  beforeEach(async () => {
    appending = await startReceiver({
      root,
      host: '127.0.0.1',
      port: 0,
      authorizedKeys: fs.readFileSync(inHome('key.pub'), 'utf8'),
      hostKey: loadHostKey(inHome('host_key')),
      appendOnly: true,
      log: () => undefined,
    });
    fs.appendFileSync(
      inHome('known_hosts'),
      fs.readFileSync(inHome('known_hosts'), 'utf8').replace(/:\d+ /, `:${appending.port} `),
    );
    fs.writeFileSync(join(root, 'old'), 'old');
    fs.writeFileSync(inHome('new'), 'new content', { mode: 0o640 });
    fs.utimesSync(inHome('new'), 1_500_000_000, 1_500_000_001);
  });
  afterEach(() => appending[Symbol.asyncDispose]());

  const port = (): string => String(appending.port);

  it('sftp can add files with their times, and cannot change existing ones', async () => {
    const login = ['-F', 'none', ...sshOptions(), '-P', port(), '-b', '-', 'source@127.0.0.1'];
    const added = await run(
      'sftp',
      login,
      `mkdir folder\nput -p ${inHome('new')} folder/new\nget old ${inHome('back')}\n`,
    );
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(fs.statSync(join(root, 'folder/new'))).toMatchObject({ mtimeMs: 1_500_000_001_000, mode: 0o100640 });
    const attempts = [`put ${inHome('new')} old`, 'rm old', 'rename old gone', 'rename folder gone', 'chmod 0 old'];
    for (const attempt of [...attempts, `reput ${inHome('new')} old`, 'rmdir folder', 'rm folder/new']) {
      const { code, stderr } = await run('sftp', login, `${attempt}\n`);
      expect.soft([attempt, code]).toEqual([attempt, 1]);
      expect.soft(stderr).toMatch(/append-only|permission denied/i);
    }
    expect(fs.readFileSync(join(root, 'old'), 'utf8')).toBe('old');
    expect(fs.readFileSync(join(root, 'folder/new'), 'utf8')).toBe('new content');
  });

  it('scp and lftp can add files, and cannot change existing ones', async () => {
    const copy = (to: string) =>
      run('scp', ['-F', 'none', ...sshOptions(), '-p', '-P', port(), inHome('new'), `source@127.0.0.1:${to}`]);
    expect(await copy('by-scp')).toMatchObject({ code: 0, stderr: '' });
    expect((await copy('old')).code).not.toBe(0);
    const command = `ssh -a -x -F none ${sshOptions().join(' ')}`;
    const put = (to: string) =>
      run('lftp', [
        '--norc',
        '-c',
        `set sftp:connect-program "${command}"; set net:max-retries 1; open sftp://source:@127.0.0.1:${port()}; put ${inHome('new')} -o ${to}; bye`,
      ]);
    expect(await put('by-lftp')).toMatchObject({ code: 0 });
    expect((await put('old')).code).not.toBe(0);
    for (const name of ['by-scp', 'by-lftp'])
      expect.soft(fs.readFileSync(join(root, name), 'utf8')).toBe('new content');
    expect(fs.readFileSync(join(root, 'old'), 'utf8')).toBe('old');
  });
});

describe('access', () => {
  it('a key that is not authorized is refused and logged', async () => {
    makeKey('stranger');
    const outcome = await sftp(['ls'], 'stranger');
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('Permission denied (publickey)');
    const fingerprint =
      execFileSync('ssh-keygen', ['-lf', inHome('stranger.pub')], { encoding: 'utf8' }).split(' ')[1] ?? '?';
    expect(logged.join('\n')).toContain(`refused: source ${fingerprint} it is not authorized`);
  });

  it.each([
    ['a command', ['id']],
    ['a shell', []],
    ['a terminal', ['-tt']],
    ['another subsystem', ['-s', 'netconf']],
  ])('%s is refused', async (_, args) => {
    const outcome = await ssh(args);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stdout.toString()).toBe('');
    expect(outcome.stderr).toMatch(/request failed|takes SFTP only/);
  });

  it('forwarding is refused', async () => {
    const outcome = await run('ssh', [
      ...['-F', 'none', ...sshOptions(), '-p', String(receiver.port)],
      ...['-W', `127.0.0.1:${receiver.port}`, 'source@127.0.0.1'],
    ]);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stdout.toString()).toBe('');
    const args = ['-o', 'ExitOnForwardFailure=yes', '-N', '-R', '0:127.0.0.1:1', 'source@127.0.0.1'];
    const back = await run('ssh', ['-F', 'none', ...sshOptions(), '-p', String(receiver.port), ...args]);
    expect(back.code).not.toBe(0);
  });

  it('the fingerprint equals that of ssh-keygen', () => {
    const line = execFileSync('ssh-keygen', ['-lf', inHome('host_key')], { encoding: 'utf8' });
    expect(line.split(' ')[1]).toBe(receiver.fingerprint);
  });

  it.each(['rsa', 'ecdsa'])('%s keys work too', async (type) => {
    const authorizedKeys = makeKey(`key-${type}`, type);
    const hostKey = loadHostKey(inHome('host_key'));
    await using other = await startReceiver({
      root,
      host: '127.0.0.1',
      port: 0,
      authorizedKeys,
      hostKey,
      log: () => undefined,
    });
    const args = [
      '-F',
      'none',
      '-o',
      'StrictHostKeyChecking=no',
      ...sshOptions(`key-${type}`),
      '-P',
      String(other.port),
    ];
    expect((await run('sftp', [...args, '-b', '-', 'x@127.0.0.1'], 'pwd\n')).code).toBe(0);
  });
});

describe('misbehaving clients', () => {
  it('silent unauthenticated connections are limited, and do not keep the receiver from closing', async () => {
    const sockets = Array.from({ length: 40 }, () => connect(receiver.port, '127.0.0.1').on('error', () => undefined));
    const closed = sockets.map((socket) => once(socket.resume(), 'close'));
    // 32 may stay: for each of the others the oldest ends.
    await Promise.all(closed.splice(0, 8));
    // One line, and the rest of them later.
    expect(logged.filter((line) => line.includes('(limits.loginsPerAddress)'))).toHaveLength(1);
    await receiver[Symbol.asyncDispose]();
    await Promise.all(closed);
  });

  it('garbage instead of SSH or SFTP ends that connection only', async () => {
    const socket = connect(receiver.port, '127.0.0.1').on('error', () => undefined);
    const closed = once(socket.resume(), 'close');
    socket.write(randomBytes(100_000));
    await closed;
    const outcome = await run(
      'ssh',
      ['-F', 'none', ...sshOptions(), '-p', String(receiver.port), '-s', 'source@127.0.0.1', 'sftp'],
      '\xff\xff\xff\xff no sftp',
    );
    expect(outcome.code).toBe(1);
    expect(logged.join('\n')).toContain('closed a session: malformed SFTP packet');
    expect((await sftp(['pwd'])).code).toBe(0);
  });

  it('a client killed during a transfer leaves no descriptor open', async () => {
    const descriptors = (): string[] =>
      fs.readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
        } catch {
          return false;
        }
      });
    const args = ['-F', 'none', ...sshOptions(), '-P', String(receiver.port), '-b', '-', 'source@127.0.0.1'];
    const client = spawn('sftp', args, { stdio: ['pipe', 'ignore', 'ignore'] });
    const watcher = fs.watch(root);
    const started = once(watcher, 'change');
    const big = inHome('big');
    fs.writeFileSync(big, Buffer.alloc(1));
    fs.truncateSync(big, 2 ** 36);
    client.stdin.write(`put ${big} endless\n`);
    await started;
    client.kill('SIGKILL');
    await once(client, 'exit');
    await receiver[Symbol.asyncDispose]();
    watcher.close();
    expect(descriptors()).toEqual([]);
  });

  it('disposing ends an open session', async () => {
    const args = ['-F', 'none', ...sshOptions(), '-p', String(receiver.port), '-s', 'source@127.0.0.1', 'sftp'];
    const client = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    client.stdin.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    await once(client.stdout, 'data');
    const exited = once(client, 'exit');
    await receiver[Symbol.asyncDispose]();
    await exited;
    client.stdin.destroy();
  });
});

describe('isocket receive', () => {
  const start = (change: Partial<Parameters<typeof receive>[0]> = {}, signal = AbortSignal.abort()) => {
    const lines: string[] = [];
    fs.writeFileSync(inHome('authorized_keys'), fs.readFileSync(inHome('key.pub')));
    const options = {
      ...{ root, listen: '127.0.0.1:0', authorizedKeys: inHome('authorized_keys'), hostKey: inHome('new/host_key') },
      allowRoot: true,
      ...change,
    };
    const done = receive(options, { write: (line) => lines.push(line), report: () => undefined }, signal);
    return { done, lines };
  };

  it('generates its host key once, reports its address, and ends with the signal', async () => {
    const first = start();
    await first.done;
    expect(first.lines.slice(1)).toEqual(['ending: no transfer is under way']);
    expect(first.lines[0]).toMatch(/127\.0\.0\.1:\d+, host key SHA256:[\w+/]{43}$/);
    expect(fs.statSync(inHome('new/host_key')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(inHome('new'))).toEqual(['host_key']);
    const again = start();
    await again.done;
    expect(again.lines[0]?.split(' ').at(-1)).toBe(first.lines[0]?.split(' ').at(-1));
  });

  it('takes options that are not given from the configuration', async () => {
    const config = inHome('rc.yaml');
    const section = {
      root,
      listen: '127.0.0.1:0',
      authorizedKeys: inHome('keys'),
      hostKey: inHome('k'),
      appendOnly: true,
    };
    fs.writeFileSync(config, JSON.stringify({ receive: section }));
    const options = (flags: ReceiveFlags) => receiveOptions(flags, () => undefined);
    const status = { listen: null, textfile: null };
    const rules = { keepVersions: false, atomicPuts: false, allowRoot: false };
    const whole = {
      ...{ ...section, hostKey: [inHome('k')], ...rules, status },
      limits: DEFAULT_LIMITS,
    };
    expect(await options({ config })).toEqual(whole);
    expect(await options({ config, root: '/other' })).toEqual({ ...whole, root: '/other' });
    const flags = { root, listen: '127.0.0.1:0', authorizedKeys: 'keys' };
    expect(await options(flags)).toEqual({ ...flags, appendOnly: false, ...rules, status });
    await expect(options({ ...flags, keepVersions: true })).rejects.toThrow('Cannot keep versions');
    fs.writeFileSync(config, JSON.stringify({ receive: { ...section, listen: 1 } }));
    await expect(options({ config })).rejects.toThrow(/receive\.listen is 1: expected HOST:PORT/);
    fs.writeFileSync(config, '{}');
    await expect(options({ config, root })).rejects.toThrow(
      'Cannot receive: no --listen, no --authorized-keys is given, and the configuration has no section "receive"',
    );
  });

  it.each<[string, () => Partial<Parameters<typeof receive>[0]>, RegExp]>([
    ['a root that is missing', () => ({ root: inHome('nowhere') }), /Cannot receive into .*does not exist/],
    ['a root that is a file', () => ({ root: inHome('key') }), /Cannot receive into .*not a folder/],
    ['a port in use', () => ({ listen: `127.0.0.1:${receiver.port}` }), /Cannot listen on .*already in use/],
    [
      'an address that this host does not have',
      () => ({ listen: '192.0.2.1:2222' }),
      /Cannot listen on .*no such address/,
    ],
    ['no port', () => ({ listen: 'localhost' }), /not HOST:PORT/],
    ['a port too large', () => ({ listen: 'localhost:65536' }), /not HOST:PORT/],
    ['IPv6 without brackets', () => ({ listen: '::1:22' }), /not HOST:PORT/],
    [
      'authorized keys that are missing',
      () => ({ authorizedKeys: inHome('none') }),
      /Cannot read the authorized keys "[^"]*": no such file/,
    ],
    [
      'authorized keys that are a pipe',
      () => ({ authorizedKeys: inHome('pipe') }),
      /Cannot read the authorized keys "[^"]*": it is not a regular file/,
    ],
    ['authorized keys without a key', () => ({ authorizedKeys: inHome('key') }), /no key in it is accepted/],
    ['an invalid host key', () => ({ hostKey: inHome('bad_key') }), /not a private key/],
    ['a host key that others may read', () => ({ hostKey: inHome('open_key') }), /other users may read/],
    [
      'two host keys of one kind',
      () => ({ hostKey: [inHome('host_key'), inHome('key')] }),
      /Cannot use the host keys ".*host_key" and ".*key" together: both are of the kind ssh-ed25519/,
    ],
    ['a status address that is none', () => ({ status: { listen: 'x', textfile: null } }), /not HOST:PORT/],
  ])('reports %s with a hint', async (_, change, message) => {
    fs.writeFileSync(inHome('bad_key'), 'no key', { mode: 0o600 });
    execFileSync('mkfifo', [inHome('pipe')]);
    fs.copyFileSync(inHome('host_key'), inHome('open_key'));
    fs.chmodSync(inHome('open_key'), 0o644);
    const { done, lines } = start(change());
    const error: unknown = await done.catch((thrown: unknown) => thrown);
    expect(lines).toEqual([]);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message: expect.stringMatching(message) as string, exitCode: 2 });
    expect((error as UserError).hint).toBeTruthy();
  });
});
