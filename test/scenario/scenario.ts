import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnReceiver } from '../support/own-receiver.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

/** One of the old tool's tests in its four paragraphs. All that passes from one to the next is in `folder`. */
export interface Scenario {
  setup(folder: string): void;
  execute(folder: string, server: TestServer): Promise<void>;
  /** Throws where the promise does not hold. */
  verify(folder: string): void;
}

const STEPS = ['setup', 'execute', 'verify', 'cleanup'] as const;
type Step = (typeof STEPS)[number];

const servers = { openssh: startSshd, receiver: startOwnReceiver } as const;
export type ServerKind = keyof typeof servers;

const runStep = async (scenario: Scenario, step: Step, folder: string, kind: ServerKind): Promise<void> => {
  if (step === 'setup') {
    mkdirSync(folder, { recursive: true });
    scenario.setup(folder);
  } else if (step === 'execute') {
    await using server = await servers[kind](folder);
    await scenario.execute(folder, server);
  } else if (step === 'verify') scenario.verify(folder);
  else rmSync(folder, { recursive: true, force: true });
};

/** All four steps in a folder of their own. */
export const runScenario = async (scenario: Scenario, kind: ServerKind): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-scenario-'));
  try {
    for (const step of STEPS) await runStep(scenario, step, folder, kind);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/**
 * `node test/scenario/NAME.ts [setup | execute | verify | cleanup] [openssh | receiver]`: one step, to look at what it leaves in
 * /tmp/isocket-scenario/NAME, or all of them. Does nothing where the file is only imported.
 */
export const main = async (meta: ImportMeta, scenario: Scenario): Promise<void> => {
  if (!meta.main) return;
  const [, file = '', ...words] = process.argv;
  const name = file.replace(/^.*\/|\.ts$/g, '');
  const folder = join(tmpdir(), 'isocket-scenario', name);
  const kind = words.includes('receiver') ? 'receiver' : 'openssh';
  const asked = STEPS.filter((step) => words.includes(step));
  if (asked.length === 0 && existsSync(folder)) rmSync(folder, { recursive: true });
  for (const step of asked.length > 0 ? asked : STEPS) {
    await runStep(scenario, step, folder, kind);
    console.log(`${name}: ${step} done${step === 'cleanup' ? '' : ` in ${folder}`}`);
  }
};
