import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { systemErrorCode } from '../errors.ts';
import { removeIfPossible } from '../host/remove.ts';

const FILE = 'daemon.json';

const schema = z.object({
  pid: z.int().positive(),
  since: z.string(),
  /** Why it ended; null: it was killed, or runs. */
  reason: z.string().nullable().catch(null).default(null),
});

/** A daemon that began and was not stopped. */
export type DaemonLife = Readonly<z.infer<typeof schema>>;

/** The daemon begins, or ends of itself. A disk that does not take it loses nothing but that. */
export const writeDaemonLife = (statePath: string, life: DaemonLife): void => {
  const path = join(statePath, FILE);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(life), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    removeIfPossible(`${path}.new`);
  }
};

/** It was stopped, or a scan does its work. */
export const removeDaemonLife = (statePath: string): void => removeIfPossible(join(statePath, FILE));

/** undefined: none that began was not stopped. */
export const readDaemonLife = (statePath: string): DaemonLife | undefined => {
  try {
    return schema.safeParse(JSON.parse(readFileSync(join(statePath, FILE), 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};
