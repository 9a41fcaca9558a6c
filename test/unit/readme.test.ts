import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

// Both READMEs say the same: what no language changes is equal, in the same order.

const [english, chinese] = ['README.md', 'README.zh-TW.md'].map((name) =>
  readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'),
);

const allOf = (text = '', pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([whole]) => whole);
/** Without what is said of a command, and how it is lined up. */
const withoutComments = (block: string): string => block.replaceAll(/ +#.*$/gm, '');

it.each<readonly [string, RegExp]>([
  ['headings by their depth', /^#+(?= )/gm],
  ['rows of tables', /^\|(?= `isocket| \d)/gm],
  ['inline code', /(?<!`)`[^`\n]+`(?!`)/g],
  ['figures', /(?<![\w.])\d+(?:[.,]\d+)*(?!\w|\.\d)/g],
  ['pictures', /\(docs\/images\/[^)]+\)/g],
  ['links', /\]\((?!README)[^)]+\)/g],
])('README.zh-TW.md has the same %s', (what, pattern) => {
  // A sentence of another language has another order.
  const inOrder = (found: string[]): string[] => (what === 'headings by their depth' ? found : found.toSorted());
  expect(inOrder(allOf(chinese, pattern))).toEqual(inOrder(allOf(english, pattern)));
  expect(allOf(english, pattern).length).toBeGreaterThan(3);
});

it('README.zh-TW.md has the same commands and samples', () => {
  const blocks = (text: string | undefined): string[] => allOf(text, /^```[\s\S]*?^```/gm).map(withoutComments);
  expect(blocks(chinese)).toEqual(blocks(english));
});
