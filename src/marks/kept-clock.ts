import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { KeptClock } from '../source/file-clock.ts';

const FILE = 'source-clock.json';

export const openKeptClock = (state: string): KeptClock => ({
  aheadMs: read(state),
  keep: (aheadMs) => {
    try {
      writeFileSync(join(state, `${FILE}.new`), JSON.stringify({ aheadMs }), { mode: 0o600 });
      renameSync(join(state, `${FILE}.new`), join(state, FILE));
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error; // It is found out again.
    }
  },
});

const read = (state: string): number => {
  try {
    const kept = JSON.parse(readFileSync(join(state, FILE), 'utf8')) as { readonly aheadMs?: unknown } | null;
    const aheadMs = kept?.aheadMs;
    return typeof aheadMs === 'number' ? aheadMs : 0;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return 0;
    throw error;
  }
};
