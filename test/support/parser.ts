import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Does what the user's parser does. */
export const parser = (root: string) => ({
  makeDirectory: (name: string): void => {
    mkdirSync(`${root}/${name}`);
  },
  writeFile: (path: string, bytes = 1000): void => {
    mkdirSync(dirname(`${root}/${path}`), { recursive: true });
    writeFileSync(`${root}/${path}`, randomBytes(bytes));
  },
  writeFiles: (directory: string, count: number, bytes = 1000): void => {
    mkdirSync(`${root}/${directory}`, { recursive: true });
    for (let index = 1; index <= count; index += 1)
      writeFileSync(`${root}/${directory}/file-${index}`, randomBytes(bytes));
  },
  closeDirectory: (name: string): void => writeFileSync(`${root}/${name}/finished.parse`, ''),
  /** Marks files as the old tool's tests do before they check what is sent. */
  markAll: (directory: string, count: number): void => {
    for (let index = 1; index <= count; index += 1) {
      const path = `${root}/${directory}/file-${index}`;
      // Last written an hour before it is marked: mtime and ctime must differ.
      utimesSync(path, new Date(), new Date(Date.now() - 3_600_000));
      chmodSync(path, 0o664);
    }
  },
});

export const isFinished = (root: string, directory: string): boolean =>
  existsSync(`${root}/${directory}/finished.watch`);

/** Names that break code which treats them as shell words, options, lines or text. */
export const hostileNames: readonly Buffer[] = [
  ...[
    'a b',
    `it's "quoted"`,
    'new\nline',
    '-rf',
    '資料',
    '$(touch x)',
    '`id`',
    '*',
    '?',
    'back\\slash',
    'tab\there',
    '#',
    '~',
    ':',
    '\x1b[31mred',
  ].map((name) => Buffer.from(name)),
  Buffer.alloc(255, 'n'),
  Buffer.from([0xff, 0xfe, 0x20, 0x80]),
  Buffer.from([0xc3, 0x28]),
];
