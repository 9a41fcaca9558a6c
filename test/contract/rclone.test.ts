import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import { startLocal, startS3, startWebdav, type TestRemote } from '../support/rclone-remotes.ts';

// All of it takes a quarter of an hour, most of which rclone and the stores take for thousands of files: CI asks for what the plug-in itself
// does, of a folder what has to do with temporary names, of WebDAV what it lacks. ALL=1 registers every point.
const THOUSANDS = /\d,\d{3}/;
const OF_NAMES =
  /^(?:sizes: \d|keeps|names: one|replaces|a reader|confirms|takes two|abort|tidies|verifies: |probe|source-changed: a source that was)/;
const OF_LACKS = /^(?:keeps neither|makes|replaces|a reader|verifies(?:: | against)|tidies)/;
const everything = process.env.ALL === '1';

const LIMIT_MS = 60_000;
/** rclone's WebDAV client waits 10 ms between two requests, and a file takes seven. */
const LIMIT_OF_THOUSANDS_MS = 600_000;

const ALL_LACK = ['permissions', 'bytes', 'links'] as const;

describe.each([
  ['a local folder', startLocal, ALL_LACK, (name: string) => OF_NAMES.test(name)],
  ['S3', startS3, [...ALL_LACK, 'folders'], (name: string) => !THOUSANDS.test(name)],
  ['WebDAV', startWebdav, [...ALL_LACK, 'times', 'sums', 'replace'], (name: string) => OF_LACKS.test(name)],
] as const)('rclone to %s', (_kind, start, lacks, isAsked) => {
  const stack = new AsyncDisposableStack();
  let remote: TestRemote;

  beforeAll(async () => {
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-rclone-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    remote = stack.use(await start(folder));
  });
  afterAll(() => stack.disposeAsync());

  transportSuite({
    test: (name, run) => {
      if (everything || isAsked(name)) test(name, run, THOUSANDS.test(name) ? LIMIT_OF_THOUSANDS_MS : LIMIT_MS);
    },
    target: () => ({
      folder: remote.folder,
      connect: (context) =>
        rclone.connect(
          rclone.parseOptions({
            transport: 'rclone',
            remote: remote.remote,
            config: remote.config,
            allowDeleteFirst: lacks.some((lack) => lack === 'replace'),
          }),
          context,
        ),
    }),
    has: ['fetch'],
    lacks,
  });
});
