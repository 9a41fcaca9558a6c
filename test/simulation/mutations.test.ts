import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { breakRule, createFocusedSchedule, RULES, type Rule } from './support/mutations.ts';
import { createRandom } from './support/random.ts';
import { removeFolder, runSchedule } from './support/run-schedule.ts';

vi.mock('../../src/marks/record-hash.ts', async (real) =>
  (await import('./support/mutations.ts')).breakRecordHash(await real()),
);
vi.mock('../../src/marks/record.ts', async (real) =>
  (await import('./support/mutations.ts')).breakRecord(await real()),
);
vi.mock('../../src/marks/mark.ts', async (real) => (await import('./support/mutations.ts')).breakMark(await real()));
vi.mock('../../src/identity.ts', async (real) => (await import('./support/mutations.ts')).breakIdentity(await real()));
vi.mock('../../src/core/closing.ts', async (real) =>
  (await import('./support/mutations.ts')).breakClosing(await real()),
);
vi.mock('../../src/core/lifecycle.ts', async (real) =>
  (await import('./support/mutations.ts')).breakLifecycle(await real()),
);
vi.mock('../../src/delivery/listing.ts', async (real) =>
  (await import('./support/mutations.ts')).breakListing(await real()),
);
vi.mock('../../src/verify/verification.ts', async (real) =>
  (await import('./support/mutations.ts')).breakVerification(await real()),
);

const MOST_SCHEDULES = Number(process.env.MUTATED ?? 3000);

afterEach(() => breakRule(undefined));
afterAll(removeFolder);

test.each(RULES)('without the rule "%s" a schedule fails that passes with it', { timeout: 1_200_000 }, async (rule) => {
  let seed = 1;
  while (seed <= MOST_SCHEDULES && !(await needsRule(rule, seed))) seed += 1;
  expect(seed).toBeLessThanOrEqual(MOST_SCHEDULES);
});

const needsRule = async (rule: Rule, seed: number): Promise<boolean> => {
  const schedule = createFocusedSchedule(rule, seed, createRandom(seed));
  breakRule(rule);
  const isFalse = (await runSchedule(schedule)).violations.length > 0;
  breakRule(undefined);
  return isFalse && (await runSchedule(schedule)).violations.length === 0;
};
