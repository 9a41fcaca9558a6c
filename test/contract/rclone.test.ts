import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import { startLocal, startS3, type TestRemote } from '../support/rclone-remotes.ts';

// All of it takes two minutes, most of which rclone and the stores take for thousands of files: CI asks for what the plug-in itself does, of a
// folder what has to do with temporary names. ALL=1 registers every point.
const THOUSANDS = /\d,000/;
const OF_NAMES =
  /^(?:sizes: \d|keeps|names: one|replaces|a reader|confirms|takes two|abort|tidies|verifies: |probe|source-changed: a source that was)/;
const everything = process.env.ALL === '1';

const ALL_LACK = ['permissions', 'bytes', 'links'] as const;

describe.each([
  ['a local folder', startLocal, ALL_LACK, (name: string) => OF_NAMES.test(name)],
  ['S3', startS3, [...ALL_LACK, 'folders'], (name: string) => !THOUSANDS.test(name)],
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
      if (everything || isAsked(name)) test(name, run);
    },
    target: () => ({
      folder: remote.folder,
      connect: (context) =>
        rclone.connect(
          rclone.parseOptions({ transport: 'rclone', remote: remote.remote, config: remote.config }),
          context,
        ),
    }),
    has: ['fetch'],
    lacks,
  });
});
