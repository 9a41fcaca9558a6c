import { randomBytes } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { OutgoingFile } from '../../src/transport.ts';
import { rsync } from '../../src/transports/rsync/plugin.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSuiteTarget } from '../support/suite-target.ts';

// 12 MB in half a minute at the first rate, and at once at the second: rsync, whose runs have a rate each, is ended and goes on.
const BYTES = 12_000_000;
const SLOW = 400_000;

it.each([
  ['sftp', sftp],
  ['rsync', rsync],
] as const)('%s goes on at another rate when another one is due', async (_name, plugin) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(`${tmpdir()}/isocket-rate-`), (path) => rmSync(path, { recursive: true }));
  const server = stack.use(await startSshd(folder));
  const target = stack.use(await makeSuiteTarget(folder, server, plugin));
  let rate: number | null = SLOW;
  const transport = stack.use(
    target.connect({
      site: 'test',
      owner: '01234567',
      stateFolder: `${folder}/state`,
      durable: false,
      get bandwidth() {
        return rate;
      },
      log: () => undefined,
    }),
  );
  const sourcePath = `${folder}/big`;
  writeFileSync(sourcePath, randomBytes(BYTES));
  const identity = lstatSync(sourcePath, { bigint: true });
  const file: OutgoingFile = { sourcePath, targetPath: 'DC1/big', mode: 0o640, identity };
  const startedMs = performance.now();
  const sending = transport.send(file, new AbortController().signal);
  const begun = (): boolean =>
    readdirSync(server.folder, { recursive: true, withFileTypes: true }).some(
      (entry) => entry.isFile() && lstatSync(`${entry.parentPath}/${entry.name}`).size > 100_000,
    );
  await expect.poll(begun, { interval: 20, timeout: 10_000 }).toBe(true);
  rate = null;
  await sending;
  expect(performance.now() - startedMs).toBeLessThan((BYTES / SLOW) * 500);
  expect(readFileSync(`${server.folder}/DC1/big`).equals(readFileSync(sourcePath))).toBe(true);
});
