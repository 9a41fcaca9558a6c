import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemErrorCode, errorMessage, UserError } from '../errors.ts';
import { checkOwner, viewState } from '../marks/state.ts';
import type { ProbeResult } from '../transport.ts';
import { refuseStateInRoot } from './overlap.ts';

/** Checks the state folder, or the nearest existing folder above it: outside the root and writable. Creates nothing. */
export const checkState = (path: string, root: string): ProbeResult => {
  const what = 'state';
  const isThere = existsSync(path);
  try {
    refuseStateInRoot(path, root);
    viewState(path, root);
    for (const folder of [path, join(path, 'records')]) if (existsSync(folder)) checkOwner(folder);
    accessSync(isThere ? path : nearest(path), constants.W_OK | constants.X_OK);
    return { what, state: 'ok', message: isThere ? path : `${path} is created by the first scan` };
  } catch (error) {
    // It lies in the root, or belongs to another one.
    if (error instanceof UserError) {
      const { message, hint = 'name another one with state in the configuration' } = error;
      return { what, state: 'failure', message, hint };
    }
    const why = systemErrorCode(error) === 'EACCES' ? 'permission denied' : errorMessage(error);
    return {
      what,
      state: 'failure',
      message: `Cannot use the state folder "${path}": ${why}`,
      hint: 'let the user that runs isocket write it, or set another folder with state in the configuration',
    };
  }
};

const nearest = (path: string): string => (existsSync(path) || path === dirname(path) ? path : nearest(dirname(path)));
