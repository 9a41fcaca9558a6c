import { spawnSync } from 'node:child_process';

// The full form: SCHEDULES schedules from FIRST on, in portions, one process a time, and then every interleaving with three passes.
// Ends with 1 where one of them found a false proof; the output names its seed.

const PORTION = 25_000;
const first = Number(process.env.FIRST ?? 1);
const schedules = Number(process.env.SCHEDULES ?? 200_000);

const vitest = (file: string, env: Readonly<Record<string, string>>): boolean => {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'simulation', `test/simulation/${file}`];
  return spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...env } }).status === 0;
};

let failed = 0;
for (let from = first; from < first + schedules; from += PORTION) {
  const count = Math.min(PORTION, first + schedules - from);
  console.info(`${new Date().toISOString()} schedules ${from} to ${from + count - 1}`);
  if (!vitest('simulation.test.ts', { FIRST: String(from), SCHEDULES: String(count) })) failed += 1;
}
console.info(`${new Date().toISOString()} every interleaving with three passes`);
if (!vitest('exhaustive.test.ts', { PASSES: '3' })) failed += 1;
process.exitCode = failed === 0 ? 0 : 1;
