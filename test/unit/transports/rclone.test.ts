import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify } from '../../../src/transports/rclone/failures.ts';
import { parseLine } from '../../../src/transports/rclone/log-lines.ts';
import { fromRemotePath, toRemotePath } from '../../../src/transports/rclone/names.ts';
import { parseRcloneOptions, showRemote } from '../../../src/transports/rclone/options.ts';
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

it.each([
  ['write /mnt/x: no space left on device', 'destination-full'],
  ['googleapi: Error 403: The user’s Drive storage quota has been exceeded', 'destination-full'],
  ['AccessDenied: Access Denied status code: 403', 'auth'],
  ["didn't find section in config file", 'auth'],
  ['NoSuchBucket: The specified bucket does not exist', 'auth'],
  ['RequestError: send request failed\ncaused by: dial tcp 127.0.0.1:9: connect: connection refused', 'network'],
  ['SlowDown: Please reduce your request rate. status code: 503', 'network'],
  ["can't copy - source file is being updated (size changed)", 'source-changed'],
  ["can't move file onto non-file", 'file'],
])('"%s" is of class %s', (message, errorClass) => expect(classify(message).errorClass).toBe(errorClass));

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
