import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolders } from '../../host/make-folders.ts';

const FILES_A_DIRECTORY = 40;
const PAUSE_MS = 40;

/** Stands in for the user's program: fills three directories, writing each file in two steps, and leaves the second directory without finished.parse. */
export const runParser = async (root: string, say: (line: string) => void, signal: AbortSignal): Promise<void> => {
  for (const [name, closes] of [
    ['DC1', true],
    ['DC2', false],
    ['DC3', true],
  ] as const) {
    say(`parser   makes ${name}`);
    makeFolders(`${root}/${name}/sub`, 0o777);
    for (let count = 1; count <= FILES_A_DIRECTORY; count += 1) {
      const path = `${root}/${name}/${count % 4 === 0 ? 'sub/' : ''}file-${String(count).padStart(3, '0')}.dat`;
      await writeSlowly(path, signal);
    }
    if (closes) writeFileSync(`${root}/${name}/finished.parse`, '');
    say(closes ? `parser   closes ${name} with finished.parse` : `parser   leaves ${name} without finished.parse`);
  }
};

const writeSlowly = async (path: string, signal: AbortSignal): Promise<void> => {
  const descriptor = openSync(path, 'w');
  try {
    writeSync(descriptor, randomBytes(1000 + Math.floor(Math.random() * 60_000)));
    await delay(PAUSE_MS, undefined, { signal });
    writeSync(descriptor, randomBytes(1000));
  } finally {
    closeSync(descriptor);
  }
};
