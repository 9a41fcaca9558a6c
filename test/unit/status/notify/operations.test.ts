import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALERT_KINDS } from '../../../../src/status/notify/conditions.ts';

it('docs/operations.md says what to do on each alert', () => {
  const page = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  expect([...page.matchAll(/^### (\w+)$/gm)].map(([, kind]) => kind)).toEqual([...ALERT_KINDS]);
});
