import { accessSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allDestinations, type Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { systemErrorCode, TransportError } from '../../errors.ts';
import { showName } from '../../name.ts';
import type { Transport } from '../../transport.ts';
import { isReadable } from './choose-destination.ts';
import { connectAll, statePathOf } from './open-site.ts';

/** The transports of a site for whoever only reads, and needs no state folder: it may be lost, or another user's. They end with the stack. */
export const connectForReading = (
  config: Config,
  report: Report,
  stack: AsyncDisposableStack,
): readonly Transport[] => {
  const own = statePathOf(config);
  const state = isOurs(own)
    ? own
    : stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-')), (path) => rmSync(path, { recursive: true, force: true }));
  const transports = connectAll({ ...config, destinations: allDestinations(config) }, state, report);
  for (const one of transports) stack.use(one);
  return transports;
};

const isOurs = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).uid === process.geteuid?.();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
};

/** Where nobody said which destination: the failure of the first one names the others. */
export const orAnother = <T>(
  error: T,
  chosen: Transport,
  { all, from }: { readonly all: readonly Transport[]; readonly from: string | undefined },
): T | TransportError => {
  if (!(error instanceof TransportError) || error.class === 'file' || from !== undefined) return error;
  const index = all.findIndex((one) => one !== chosen && isReadable(one));
  const other = all[index];
  if (other === undefined) return error;
  const hint = `${error.hint === undefined ? '' : `${error.hint}; `}or take another destination: --from ${index + 1} (${showName(other.label)})`;
  return new TransportError(error.class, error.message, { hint, cause: error });
};
