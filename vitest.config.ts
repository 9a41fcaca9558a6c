import { basename, dirname } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Seconds that the slowest files take. They start first, so that none of them is left running alone at the end. */
const SECONDS: Readonly<Record<string, number>> = {
  'contract/transports': 290,
  'scenario/install': 190,
  'scenario/audit': 174,
  'scenario/servers-1': 160,
  'fault/line': 145,
  'simulation/exhaustive': 120,
  'scenario/servers-2': 110,
  'scenario/proof-clock': 93,
  'simulation/simulation': 90,
  'scenario/proof-matrix': 74,
  'scenario/bad-input': 70,
  'scenario/daemon': 67,
  'scenario/told-late': 61,
  'fault/restore-killed': 60,
  'scenario/restore': 56,
  'fault/host': 55,
  'scenario/proof-names': 54,
  'scenario/restore-odd': 46,
  'scenario/hooks': 45,
  'contract/round-trips': 43,
  'scenario/told-skipped': 43,
  'scenario/fill': 41,
  'scenario/several': 30,
  'scenario/check': 40,
  'contract/rclone': 40,
  'fault/lying-server': 40,
  'scenario/broken-sites': 38,
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
