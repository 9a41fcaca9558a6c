import { rmSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { edx1 } from './edx1.ts';
import { edx2 } from './edx2.ts';
import { fsyncX0 } from './fsync-x0.ts';
import { fsyncX1 } from './fsync-x1.ts';
import { hostileNamesScenario } from './hostile-names.ts';
import { scanP0W0 } from './scan-p0w0.ts';
import { scanP0W1 } from './scan-p0w1.ts';
import { scanP1W0 } from './scan-p1w0.ts';
import { scanP1W1 } from './scan-p1w1.ts';
import { runScenario, type Scenario } from './scenario.ts';

const scenarios: readonly (readonly [string, Scenario])[] = [
  ['scan-p0w0', scanP0W0],
  ['scan-p0w1', scanP0W1],
  ['scan-p1w0', scanP1W0],
  ['scan-p1w1', scanP1W1],
  ['fsync-x0', fsyncX0],
  ['fsync-x1', fsyncX1],
  ['edx1', edx1],
  ['edx2', edx2],
  ['hostile-names', hostileNamesScenario],
];

describe.each(['openssh', 'receiver'] as const)('to %s', (kind) => {
  it.each(scenarios)('%s', (_name, scenario) => runScenario(scenario, kind));
});

// The old edx2 printed "Pass" while nothing had arrived.
it.each(scenarios)('%s fails where nothing arrived', (_name, scenario) => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-scenario-'));
  try {
    scenario.setup(folder);
    expect(() => scenario.verify(folder)).toThrow();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
