import { basename, dirname } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Seconds that the slowest files take. They start first, so that none of them is left running alone at the end. */
const SECONDS: Readonly<Record<string, number>> = {
  'contract/transports': 240,
  'contract/rclone': 150,
  'scenario/audit': 174,
  'fault/line': 113,
  'scenario/servers-1': 112,
  'scenario/servers-2': 110,
  'scenario/install': 110,
  'scenario/proof-clock': 93,
  'scenario/proof-matrix': 74,
  'scenario/bad-input': 70,
  'scenario/daemon': 67,
  'fault/lying-server': 40,
  'scenario/told-late': 61,
  'simulation/simulation': 60,
  'simulation/exhaustive': 60,
  'fault/host': 55,
  'scenario/proof-names': 54,
  'scenario/hooks': 36,
  'scenario/broken-sites': 30,
};

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const secondsOf = ({ moduleId }: TestSpecification): number =>
      SECONDS[`${basename(dirname(moduleId))}/${basename(moduleId, '.test.ts')}`] ?? 0;
    // Sorting is stable: of the others the larger files come first, as vitest has it.
    return (await super.sort(files)).sort((a, b) => secondsOf(b) - secondsOf(a));
  }
}

// The unit project computes: one worker per core, and modules that are loaded once. Most others start servers and mostly wait, so
// four workers share two cores; each gives its servers ports of its own (test/support/ports.ts). The simulation computes beside them.
const SIDE_BY_SIDE = { maxWorkers: 4, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    allowOnly: false,
    passWithNoTests: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', { isolate: false, maxWorkers: 2, sequence: { groupOrder: 0 } }),
      project('simulation', { ...SIDE_BY_SIDE, setupFiles: ['test/simulation/support/setup.ts'] }),
      ...['contract', 'scenario', 'fault'].map((name) =>
        project(name, { ...SIDE_BY_SIDE, globalSetup: 'test/support/build-cli.ts' }),
      ),
    ],
  },
});

function project<Options extends object>(name: string, options: Options) {
  return { extends: true as const, test: { name, include: [`test/${name}/**/*.test.ts`], ...options } };
}
