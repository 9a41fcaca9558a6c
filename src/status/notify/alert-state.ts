import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { systemErrorCode } from '../../errors.ts';
import { ALERT_KINDS } from './conditions.ts';
import type { AlertState } from './decide.ts';

const FILE = 'alerts.json';

const schema = z.object({
  wholeMs: z.number(),
  downMs: z.record(z.string(), z.number()),
  raised: z.array(
    z.object({
      kind: z.enum(ALERT_KINDS),
      subject: z.string(),
      message: z.string(),
      sinceMs: z.number(),
      isTold: z.boolean(),
      isOver: z.boolean(),
    }),
  ),
  /** A ping failed, and that was told. */
  pingFails: z.boolean().default(false),
  /** What is finished, and hooks.finished was not run for. */
  finished: z.array(z.string()).default([]),
});

/** What is kept in the state folder. */
export interface Kept {
  readonly alerts: AlertState;
  readonly pingFails: boolean;
  /** Each is what the command gets. */
  readonly finished: readonly string[];
}

/** Where there is none, or none that can be read, the site was well until now. */
export const readKept = (statePath: string, nowMs: number): Kept => {
  const { wholeMs, downMs, raised, pingFails, finished } = readFile(join(statePath, FILE)) ?? {
    wholeMs: nowMs,
    downMs: {},
    raised: [],
    pingFails: false,
    finished: [],
  };
  return { alerts: { wholeMs, downMs: new Map(Object.entries(downMs)), raised }, pingFails, finished };
};

const readFile = (path: string): z.infer<typeof schema> | undefined => {
  try {
    return schema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};

/** A disk that does not take it costs a notice that is given twice. */
export const writeKept = (statePath: string, { alerts, pingFails, finished }: Kept): void => {
  const path = join(statePath, FILE);
  const content = { ...alerts, downMs: Object.fromEntries(alerts.downMs), pingFails, finished };
  try {
    writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    rmSync(`${path}.new`, { force: true });
  }
};
