import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { transportSuite } from '../../src/transport-suite/suite.ts';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import { startLocal, startS3, type TestRemote } from '../support/rclone-remotes.ts';

const ALL_LACK = ['permissions', 'bytes', 'links'] as const;

describe.each([
  ['a local folder', startLocal, ALL_LACK],
  ['S3', startS3, [...ALL_LACK, 'folders']],
] as const)('rclone to %s', (_kind, start, lacks) => {
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
    test,
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
