import { TransportError, type ProbeResult } from '../../transport.ts';
import { compareArguments } from './arguments.ts';
import { createFarm } from './farm.ts';
import { judgeRun } from './judge.ts';
import { runRsync } from './run-rsync.ts';
import type { Session } from './session.ts';

/** Looks at both ends and changes nothing: what `isocket check` prints. */
export async function* probeDestination(
  connected: () => Promise<Session>,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  let session;
  try {
    session = await connected();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    yield { what: 'login', state: 'failure', message: error.message, hint: error.hint ?? 'try again later' };
    return;
  }
  const { label, version, master, options, context, farms } = session;
  yield { what: 'rsync here', state: 'ok', message: version.join('.') };
  yield { what: 'login', state: 'ok', message: `${label} answers, with the host key that is known` };

  using farm = createFarm(farms);
  farm.likeness(`.isocket-${context.owner}-check.part`, 0n, 0n);
  const run = { socket: master.socket, farm: farm.path, path: options.path, capabilities: session.capabilities };
  const end = await runRsync(
    compareArguments(run, { checksum: false }),
    { list: farm.list, onLine: () => undefined },
    signal,
  );
  const verdict = judgeRun(end);
  if (verdict.kind === 'line')
    yield { what: 'rsync there', state: 'failure', message: verdict.state, hint: verdict.hint };
  else yield { what: 'rsync there', state: 'ok', message: 'it starts, and the destination’s path can be used' };
}
