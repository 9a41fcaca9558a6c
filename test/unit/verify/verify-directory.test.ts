import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { plan } from '../../../src/core/lifecycle.ts';
import { createIsExcluded } from '../../../src/source/exclude.ts';
import { createOpenFilesView } from '../../../src/source/open-files.ts';
import { readRoot } from '../../../src/source/root.ts';
import type { Discrepancy, ExpectedFile, Transport } from '../../../src/transport.ts';
import { verifyDirectory } from '../../../src/verify/verify-directory.ts';

const root = mkdtempSync(join(tmpdir(), 'isocket-verify-directory-'));
afterAll(() => rmSync(root, { recursive: true }));

it('a file that was deleted or changed here while it was compared is no fault of the destination', async () => {
  mkdirSync(`${root}/DC1`);
  for (const name of ['gone', 'grown', 'wrong', 'finished.parse']) writeFileSync(`${root}/DC1/${name}`, 'x');
  const verify = async (files: readonly ExpectedFile[]): Promise<Discrepancy[]> => {
    rmSync(`${root}/DC1/gone`);
    writeFileSync(`${root}/DC1/grown`, 'longer');
    return Promise.resolve(files.map((file) => ({ file, kind: 'different', detail: 'the content differs' })));
  };
  const [work] = plan(readRoot(root, 'DC', createIsExcluded([])).directories, 'birth');
  if (work === undefined) throw new Error('no directory');
  const found: string[] = [];
  const checked = await verifyDirectory(work, {
    config: { source: { root, exclude: [], settleMs: 0 } } as unknown as Config,
    destinations: [{ label: 'there', verify } as unknown as Transport],
    writers: createOpenFilesView(),
    checksum: true,
    found: ({ file }) => found.push(file.targetPath),
    signal: new AbortController().signal,
  });
  expect([found, checked]).toEqual([['DC1/wrong'], 1]);
});
