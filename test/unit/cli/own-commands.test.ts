import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const SOURCES = new URL('../../../src/', import.meta.url).pathname;
/** "isocket status" in a message: whoever pastes it asks another configuration, or none. `init` has just written the one that is found. */
const BARE = /['"`\s]isocket (?:check|scan|daemon|status|verify|reset|prune|restore|list|fill) (?!--help)/;
const isComment = (line: string): boolean => /^\s*(?:\/\/|\/?\*)/.test(line);
/** What a thing is called, and no command to be typed. */
const EXEMPT = [
  'cli/commands/init.ts',
  'cli/command-table.ts',
  'cli/manual/topics.ts',
  'cli/reporters/describe.ts',
  'status/notify/messages.ts',
];

it('a message that says what to run names the configuration', () => {
  const bare = globSync('**/*.ts', { cwd: SOURCES })
    .filter((file) => !EXEMPT.includes(file))
    .flatMap((file) =>
      readFileSync(`${SOURCES}${file}`, 'utf8')
        .split('\n')
        .filter((line) => !isComment(line) && BARE.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
  expect(bare).toEqual([]);
});
