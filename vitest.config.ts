import { defineConfig } from 'vitest/config';

// Two cores: what starts servers and compares trees runs one file at a time.
export default defineConfig({
  test: {
    allowOnly: false,
    passWithNoTests: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: ['unit', 'contract', 'scenario', 'fault'].map((name) => ({
      extends: true as const,
      test: { name, include: [`test/${name}/**/*.test.ts`], fileParallelism: name === 'unit' },
    })),
  },
});
