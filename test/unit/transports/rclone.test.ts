import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify } from '../../../src/transports/rclone/failures.ts';
import { layersOf } from '../../../src/transports/rclone/layers.ts';
import { parseLine } from '../../../src/transports/rclone/log-lines.ts';
import { fromRemotePath, toRemotePath } from '../../../src/transports/rclone/names.ts';
import { labelOf, parseRcloneOptions, showRemote } from '../../../src/transports/rclone/options.ts';
import { refusalOf } from '../../../src/transports/rclone/refusal.ts';
import { traitsOf } from '../../../src/transports/rclone/traits.ts';
import { sizeOrTime } from '../../../src/transports/rclone/verify.ts';

const remoteOf = (remote: string, path?: string): string =>
  parseRcloneOptions({ transport: 'rclone', remote, ...(path === undefined ? {} : { path }) }).remote;

describe('options', () => {
  it.each([
    ['s3:', undefined, 's3:'],
    ['s3:bucket', undefined, 's3:bucket'],
    ['s3:bucket/', '/ED1/', 's3:bucket/ED1'],
    ['s3:', 'bucket/ED1', 's3:bucket/ED1'],
    ['sftp:', '/backup', 'sftp:/backup'],
    ['/mnt/backup/', 'ED1', '/mnt/backup/ED1'],
    ['/', undefined, '/'],
    [':local,copy_links=true:/mnt', 'x', ':local,copy_links=true:/mnt/x'],
  ])('%s and path %s', (remote, path, whole) => expect(remoteOf(remote, path)).toBe(whole));

  it.each(['bucket', 's3', 'host/path', '', 's3:a\nb', '--config:x'])('"%s" is no remote', (remote) =>
    expect(() => remoteOf(remote)).toThrow(/remote/),
  );

  it('says what is wrong with every key', () =>
    expect(() => parseRcloneOptions({ transport: 'rclone', remote: 'x', transfers: 0, buckit: 1 })).toThrow(
      /remote[^]*transfers[^]*buckit/,
    ));

  it('names two places apart, whatever is not shown of them', () => {
    const labels = [
      { remote: 's3:b', config: undefined },
      { remote: 's3:b', config: '/a.conf' },
      { remote: 's3:b', config: '/b.conf' },
      { remote: ':s3,endpoint=x:b', config: undefined },
      { remote: ':s3,endpoint=y:b', config: undefined },
    ].map(labelOf);
    expect(new Set(labels).size).toBe(5);
    expect(labels[0]).toBe('rclone://s3:b');
  });

  it('shows no secret of a remote that is written out', () =>
    expect(showRemote(":s3,access_key_id=a,secret_access_key='x:y':bucket/path")).toBe(':s3,…:bucket/path'));
});

describe('names', () => {
  it.each([
    ['a\nb', 'a␊b'],
    ['a␊b', 'a‛␊b'],
    ['\u007f', '␡'],
    ['‛', '‛‛'],
    ['．．', '‛．‛．'],
    ['a／b', 'a‛／b'],
    ['DC1/資料', 'DC1/資料'],
  ])('%j is %j to rclone', (name, encoded) => {
    expect(toRemotePath(name)).toBe(encoded);
    expect(fromRemotePath(encoded)).toBe(name);
  });

  it('come back as they were', () => {
    const character = fc.constantFrom('a', '.', '\u0001', '\n', '\u007f', '‛', '␀', '␁', '␡', '．', '／', '/', 'é');
    fc.assert(
      fc.property(
        fc.array(character).map((characters) => characters.join('')),
        (name) => fromRemotePath(toRemotePath(name)) === name,
      ),
    );
  });
});

describe('what a remote can do', () => {
  const S3 = { BucketBased: true, Copy: true, SlowModTime: true };
  const FOLDER = { CanHaveEmptyDirectories: true, Move: true };
  it.each([
    ['S3', S3, true, false],
    ['a folder', FOLDER, false, true],
    ['SMB of 1.60, which has shares as buckets', { ...FOLDER, BucketBased: true }, false, true],
    ['SMB of 1.63', { ...FOLDER, BucketBased: true, PartialUploads: true }, false, true],
    ['S3 with folder markers', { ...S3, CanHaveEmptyDirectories: true, PartialUploads: false }, true, false],
    ['Drive', { ...FOLDER, DuplicateFiles: true }, true, true],
    ['something unknown', {}, false, false],
  ])('%s', (_name, Features, isAtomic, canMove) =>
    expect(traitsOf({ Features, Hashes: [], Precision: 1 })).toMatchObject({ isAtomic, canMove }),
  );

  it.each([
    [1, 1],
    [1e9, 1],
    [2e9, 2],
    [3_155_760_000_000_000_000, undefined],
  ])('a precision of %d ns: times within %s s', (Precision, timesWithin) =>
    expect(traitsOf({ Precision }).timesWithin).toBe(timesWithin),
  );

  it('the best sum that it has', () => {
    expect(traitsOf({ Hashes: ['md5', 'sha1'] }).hash).toBe('sha1');
    expect(traitsOf({ Hashes: ['quickxor'] }).hash).toBe('quickxor');
    expect(traitsOf({ Hashes: [] }).hash).toBeUndefined();
  });
});

describe('what a remote is made of', () => {
  const SECTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    s3: { type: 's3' },
    ch: { type: 'chunker', remote: 's3:bucket', meta_format: 'simplejson' },
    sealed: { type: 'crypt', remote: 'ch:sub' },
    both: { type: 'union', upstreams: 'sealed:x:ro "other:with space"' },
    parts: { type: 'combine', upstreams: 'a=s3:a b=ch:b' },
    other: { type: 'local' },
    loop: { type: 'alias', remote: 'loop:' },
  };
  const layers = (remote: string, env: Readonly<Record<string, string>> = {}) =>
    layersOf(remote, (name) => Promise.resolve(SECTIONS[name] ?? {}), env);

  it.each([
    ['/mnt/backup', []],
    ['s3:bucket', ['s3']],
    ['sealed:', ['crypt', 'chunker', 's3']],
    ['both:', ['union', 'crypt', 'local', 'chunker', 's3']],
    ['parts:', ['combine', 's3', 'chunker', 's3']],
    ['loop:', ['alias']],
    [`:crypt,password='a,b:''c',remote="ch:x":y`, ['crypt', 'chunker', 's3']],
  ])('%s', async (remote, types) => expect((await layers(remote)).map(({ type }) => type)).toEqual(types));

  it.each([
    ['what is written out comes first', 'ch,meta_format=none:', { RCLONE_CONFIG_CH_META_FORMAT: 'x' }, 'none'],
    ['then the environment', 'ch:', { RCLONE_CONFIG_CH_META_FORMAT: 'none', RCLONE_CHUNKER_META_FORMAT: 'x' }, 'none'],
    ['then the file', 'ch:', { RCLONE_CHUNKER_META_FORMAT: 'none' }, 'simplejson'],
    [
      'a remote of the environment alone',
      'env:',
      { RCLONE_CONFIG_ENV_TYPE: 'chunker', RCLONE_CHUNKER_META_FORMAT: 'none' },
      'none',
    ],
  ])('%s', async (_what, remote, env, format) => {
    const [first] = await layers(remote, env);
    expect([first?.type, first?.option('meta_format')]).toEqual(['chunker', format]);
  });

  const STORE = traitsOf({ Features: { BucketBased: true } });
  const FOLDER = traitsOf({ Features: { Move: true } });
  it.each([
    ['an object store', STORE, 's3:', false, undefined],
    ['an object store, and no bucket', traitsOf({ Features: { BucketBased: true }, Root: '' }), 's3:', true, 'bucket'],
    ['crypt over a bucket', traitsOf({ Features: { BucketBased: true }, Root: '' }), 'sealed:', true, undefined],
    ['a folder', FOLDER, '/mnt', true, undefined],
    ['a folder, and an rclone that copies where it cannot move', FOLDER, '/mnt', false, '1.55'],
    ['neither', traitsOf({ Features: {} }), '/mnt', true, 'another kind'],
    ['chunker over an object store', STORE, 'sealed:', true, undefined],
    ['chunker over a folder', FOLDER, 'sealed:', true, 'without chunker'],
    ['chunker without metadata', STORE, 'ch,meta_format=none:', true, 'meta_format'],
    ['a cache that uploads later', STORE, ':cache,remote="s3:",tmp_upload_path=/x:', true, 'tmp_upload_path'],
  ])('%s', async (_name, traits, remote, canForbidCopy, hint) => {
    const refusal = refusalOf(traits, await layers(remote), canForbidCopy);
    expect(refusal?.hint).toEqual(hint === undefined ? undefined : expect.stringContaining(hint));
  });
});

it.each([
  ['write /mnt/x: no space left on device', 'destination-full'],
  ['preallocate: file too big for remaining disk space', 'destination-full'],
  ['googleapi: Error 403: The user’s Drive storage quota has been exceeded', 'destination-full'],
  ['AccessDenied: Access Denied status code: 403', 'auth'],
  ["didn't find section in config file", 'auth'],
  ['NoSuchBucket: The specified bucket does not exist', 'auth'],
  ['RequestError: send request failed\ncaused by: dial tcp 127.0.0.1:9: connect: connection refused', 'network'],
  ['SlowDown: Please reduce your request rate. status code: 503', 'network'],
  ["can't copy - source file is being updated (size changed)", 'source-changed'],
  ["can't move file onto non-file", 'file'],
])('"%s" is of class %s', (message, errorClass) => expect(classify(message).errorClass).toBe(errorClass));

it.each([
  ['mkdir /mnt/backup/DC1: read-only file system', 'mount it for writing'],
  ['open /mnt/backup/DC1/.isocket-1.part: permission denied', 'owner and mode'],
  ['sftp: "Permission denied" (SSH_FX_PERMISSION_DENIED)', 'owner and mode'],
])('the cure of "%s" is its own', (message, hint) => {
  expect(classify(message)).toMatchObject({ errorClass: 'file', hint: expect.stringContaining(hint) as unknown });
});

it('reads its log, in JSON or not', () => {
  expect(parseLine('{"level":"info","msg":"Copied (new)","object":"DC1/f"}')).toEqual({ level: 'info', text: 'Copied (new)', object: 'DC1/f' }); // prettier-ignore
  expect(parseLine('2026/01/02 03:04:05 Failed to load config file')).toEqual({ level: 'error', text: 'Failed to load config file', object: undefined }); // prettier-ignore
});

it('compares times as coarse as the remote keeps them', () => {
  const file = { size: 5n, mtimeSeconds: 1001 };
  expect(sizeOrTime(file, { size: 5, mtimeSeconds: 1001 }, 1)).toBeUndefined();
  expect(sizeOrTime(file, { size: 5, mtimeSeconds: 1000 }, 1)).toContain('mtime');
  expect(sizeOrTime(file, { size: 5, mtimeSeconds: 1000 }, 2)).toBeUndefined();
  expect(sizeOrTime(file, { size: 5, mtimeSeconds: 0 }, undefined)).toBeUndefined();
  expect(sizeOrTime(file, { size: 4, mtimeSeconds: 1001 }, undefined)).toContain('4 bytes');
});
