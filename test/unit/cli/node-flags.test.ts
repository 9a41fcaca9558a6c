import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const [shebang = ''] = read('src/cli.ts').split('\n');
const flags = shebang.replace(/^#!\/usr\/bin\/env -S node /, '').split(' ');

it('stand in the first line of the program, which Linux cuts after 255 bytes', () => {
  expect(flags.every((flag) => flag.startsWith('--'))).toBe(true);
  expect(Buffer.byteLength(shebang)).toBeLessThan(255);
});

it('are the same in the npm scripts that start isocket', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(scripts.isocket).toBe(`node ${flags.join(' ')} src/cli.ts`);
  expect(scripts.demo).toBe('npm run -s isocket -- demo');
});

// Garbage that is freed at once, while a megabyte is live: the young generation grows as far as it may.
const SCRIPT = `
  import { getHeapSpaceStatistics } from 'node:v8';
  let live = [];
  for (let count = 0; count < 3e6; count += 1) {
    if (count % 150_000 === 0) live = [];
    live.push({ count, more: [count] });
  }
  console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size);
`;

it('hold the young generation at 16 MiB, on the Node that runs here', async () => {
  const { stdout } = await execa(process.execPath, [...flags, '--input-type=module', '-e', SCRIPT]);
  expect(Number(stdout)).toBe(16 * 2 ** 20);
});
