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
