import { vi } from 'vitest';

vi.mock('node:fs', async () => {
  const { simulatedFs } = await import('./simulated-fs.ts');
  return { ...simulatedFs, default: simulatedFs };
});
vi.mock('node:timers/promises', async () => {
  const { simulatedTimers } = await import('./simulated-fs.ts');
  const timers = simulatedTimers();
  return { ...timers, default: timers };
});
// The simulated clock moves in jiffies: an older kernel, whose times do.
vi.mock('node:os', async (original) => {
  const os = { ...(await original<object>()), release: () => '6.12.0' };
  return { ...os, default: os };
});
