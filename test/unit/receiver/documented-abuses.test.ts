import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

const FILES: Readonly<Record<string, string>> = {
  service: 'test/contract/receiver-service.test.ts',
  contract: 'test/contract/receiver.test.ts',
  status: 'test/contract/receiver-status.test.ts',
  process: 'test/contract/receiver-process.test.ts',
  attributes: 'test/unit/receiver/attributes.test.ts',
  commit: 'test/unit/receiver/commit.test.ts',
  connection: 'test/unit/receiver/connection.test.ts',
  options: 'test/unit/receiver/key-options.test.ts',
};

it('each abuse in docs/receiver.md names tests that are there', () => {
  const rows = read('docs/receiver.md')
    .split('## Abuses tried')[1]
    ?.split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:attempt|---)/.test(line));
  expect(rows?.length).toBeGreaterThan(10);
  for (const row of rows ?? []) {
    const [, file = '', names = ''] = /\| (\w+): ("[^|]+) \|$/.exec(row) ?? [];
    const source = read(FILES[file] ?? row);
    for (const [, name = ''] of names.matchAll(/"([^"]+)"/g)) expect.soft(source, row).toContain(`'${name}`);
  }
});
