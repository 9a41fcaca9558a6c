import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { hardwareFirst, hasAesInstructions } from '../../../src/ssh/program/ciphers.ts';
import { masterArguments, sftpChannelArguments } from '../../../src/ssh/program/ssh-arguments.ts';
import { compareArguments, sendArguments, tidyArguments } from '../../../src/transports/rsync/arguments.ts';
import { capabilitiesOf, isAtLeast, parseVersion, without } from '../../../src/transports/rsync/capabilities.ts';
import { parseRsyncOptions } from '../../../src/transports/rsync/options.ts';

const target = {
  socket: '/run/s',
  tree: '/state/tree-1',
  path: '/backup/a b$(id)',
  capabilities: capabilitiesOf([3, 5, 0]),
};
const THROUGH = 'ssh -F none -S /run/s -o ControlMaster=no -o ProxyCommand=false -o LogLevel=ERROR';

describe('arguments of rsync', () => {
  const send = { ...target, durable: true, bandwidth: null, lockstep: false, partialFolder: '.isocket-01234567.part' };

  it('send', () => {
    expect(sendArguments(send)).toEqual([
      '-tLI',
      ...['-p', '--chmod=Fg-w,Fug-s,F-t'],
      ...['--no-o', '--no-g'],
      ...['--from0', '--files-from=-', '--no-implied-dirs', '--out-format=%i|%n', '--outbuf=L', '-8', '--debug=proto'],
      ...['--fsync', '--mkpath', '--partial-dir=.isocket-01234567.part', '--remote-option=-e.fxCv'],
      '--timeout=120',
      ...['-e', THROUGH, '--', '/state/tree-1/', 'isocket:/backup/a b$(id)/'],
    ]);
  });

  it.each([
    ['not durable', { durable: false }, ['--fsync'], []],
    ['small files only', { partialFolder: undefined }, ['--partial-dir', '--remote-option'], []],
    [
      'no partial files at the destination',
      { capabilities: without(target.capabilities, ['partial-dir']) },
      ['--partial', '--remote'],
      [],
    ],
    ['lockstep', { lockstep: true }, [], ['--remove-source-files']],
    [
      'lockstep, local 3.1.3',
      { lockstep: true, capabilities: capabilitiesOf([3, 1, 3]) },
      ['--remove-source-files'],
      ['--from0'],
    ],
    ['a limit', { bandwidth: 20 * 1024 * 1024 }, [], ['--bwlimit=20480']],
    ['local 3.2.3', { capabilities: capabilitiesOf([3, 2, 3]) }, ['--fsync'], ['--mkpath']],
    ['local 3.2.2', { capabilities: capabilitiesOf([3, 2, 2]) }, ['--fsync', '--mkpath'], ['--from0']],
    [
      'local 3.1.3',
      { capabilities: capabilitiesOf([3, 1, 3]) },
      ['--fsync', '--mkpath', '--info', '--remote-option'],
      ['--from0'],
    ],
    [
      'refused by the destination',
      { capabilities: without(target.capabilities, ['fsync', 'mkpath']) },
      ['--fsync', '--mkpath'],
      [],
    ],
  ])('send: %s', (_title, change, without, wanted) => {
    const args = sendArguments({ ...send, ...change });
    for (const option of without) expect(args.filter((arg) => arg.startsWith(option))).toEqual([]);
    for (const option of wanted) expect(args).toContain(option);
  });

  it('never writes under a final name, never prevents resuming, and uses lockstep only when asked', () => {
    const args = [...sendArguments(send), ...compareArguments(target, 'content'), ...tidyArguments(target, '.x')];
    for (const option of [
      '--inplace',
      '--append',
      '--append-verify',
      '--partial',
      '-W',
      '--whole-file',
      '--remove-source-files',
    ])
      expect(args).not.toContain(option);
  });

  it('escapes the remote path itself before 3.2.4', () => {
    const old = { ...send, capabilities: capabilitiesOf([3, 2, 3]), path: `/b/a b$(id)'"資` };
    expect(sendArguments(old).at(-1)).toBe(`isocket:/b/a\\ b\\$\\(id\\)\\'\\"資/`);
  });

  it('removes nothing but the folder of that name', () => {
    expect(tidyArguments(target, '.isocket-01234567.part')).toEqual(
      expect.arrayContaining(['--filter=R .isocket-01234567.part', '--filter=P *', '--existing', '--delete']),
    );
  });
});

describe('arguments of ssh', () => {
  const login = parseRsyncOptions({ transport: 'rsync', host: 'drms', path: '/b' });
  const options = { socket: '/run/s', hasPassphrase: false, knownHosts: undefined, ciphers: undefined, overrides: {} };

  it('leaves to ssh what is not configured, and trusts no unknown host key', () => {
    const args = masterArguments(login, options);
    expect(args.slice(0, 4)).toEqual(['-N', '-M', '-S', '/run/s']);
    expect(args.slice(-2)).toEqual(['--', 'drms']);
    expect(args).toContain('StrictHostKeyChecking=yes');
    expect(args).toContain('BatchMode=yes');
    expect(args.filter((arg) => /^(-p|-l|IdentityFile|UserKnownHostsFile)/.test(arg))).toEqual([]);
  });

  it('quotes file names, which ssh would split and expand', () => {
    const identityFile = '~/my keys/%h';
    const knownHosts = ['/k/a b', '/k/c'];
    const args = masterArguments({ ...login, port: 2222, user: 'me', identityFile }, { ...options, knownHosts });
    expect(args).toContain(`IdentityFile="${homedir()}/my keys/%%h"`);
    expect(args).toContain('UserKnownHostsFile="/k/a b" "/k/c"');
    expect(args.slice(-6)).toEqual(['-p', '2222', '-l', 'me', '--', 'drms']);
  });

  it.each([
    ['a,aes256-gcm@openssh.com,aes128-gcm@openssh.com,b', 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,a,b'],
    ['chacha20-poly1305@openssh.com,aes256-gcm@openssh.com', 'aes256-gcm@openssh.com,chacha20-poly1305@openssh.com'],
    ['chacha20-poly1305@openssh.com,aes256-ctr', undefined],
  ])('of the configured ciphers %s the hardware-accelerated ones come first, and none is added', (before, after) => {
    expect(hardwareFirst(`user me\nciphers ${before}\nmacs x\n`)).toBe(after);
    const args = masterArguments(login, { ...options, ciphers: after });
    expect(args.filter((arg) => arg.startsWith('Ciphers='))).toEqual(after === undefined ? [] : [`Ciphers=${after}`]);
  });

  it('recognises a processor with AES instructions', () => {
    expect(hasAesInstructions('processor : 0\nflags\t\t: fpu aes avx\n')).toBe(true);
    expect(hasAesInstructions('processor : 0\nFeatures\t: fp asimd aes pmull\n')).toBe(true);
    expect(hasAesInstructions('model name : aes\nflags\t\t: fpu vaes avx\n')).toBe(false);
  });

  it('a channel never makes a connection of its own', () => {
    expect(['ssh', ...sftpChannelArguments('/run/s')].join(' ')).toBe(`${THROUGH} -s isocket sftp`);
  });
});

describe('options', () => {
  it.each([
    ['/b/ED1/', '/b/ED1'],
    ['/', ''],
    ['.', '.'],
    ['b', './b'],
    ['-rf', './-rf'],
    [':daemon', './:daemon'],
    ['./x//y/', './x/y'],
  ])('path %s', (path, wanted) => expect(parseRsyncOptions({ transport: 'rsync', host: 'h', path }).path).toBe(wanted));

  it.each([
    [{ host: '-oProxyCommand=id' }, 'destination.host'],
    [{ path: '~/b' }, 'destination.path'],
    [{ user: '-l' }, 'destination.user'],
    [{ port: 0 }, 'destination.port'],
    [{ path: 'a\nb' }, 'destination.path'],
    [{ identityFile: 'a"b' }, 'destination.identityFile'],
    [{ knownHosts: '${HOME}/k' }, 'destination.knownHosts'],
    [{ hots: 'h' }, 'host'],
  ])('refuses %j', (change, words) =>
    expect(() => parseRsyncOptions({ transport: 'rsync', host: 'h', path: '/b', ...change })).toThrow(
      words.replace('destination.', ''),
    ),
  );
});

describe('versions', () => {
  it.each([
    ['rsync  version 3.5.0  protocol version 32', [3, 5, 0]],
    ['rsync  version v3.2.0  protocol version 31', [3, 2, 0]],
    ['rsync  version 3.1.3  protocol version 31\nCopyright', [3, 1, 3]],
    ['openrsync: protocol version 29', undefined],
  ])('%s', (text, version) => expect(parseVersion(text)).toEqual(version));
  it('compares part by part', () => {
    expect(isAtLeast([3, 10, 0], [3, 2, 4])).toBe(true);
    expect(isAtLeast([3, 2, 3], [3, 2, 4])).toBe(false);
    expect(isAtLeast([4, 0, 0], [3, 2, 4])).toBe(true);
  });
});
