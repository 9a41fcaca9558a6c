import { TransportError, type ProbeResult } from '../../transport.ts';
import { compareArguments, sendArguments, tidyArguments, type RunPlace } from './arguments.ts';
import { createFarm } from './staging-tree.ts';
import { fileProblem, isBusy, judgeRun, type RunEnd } from './judge.ts';
import { runRsync } from './run-rsync.ts';
import type { Session } from './session.ts';

/** Looks at both ends, writes a file of ours there and removes it: what `isocket check` prints. */
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
  signal.throwIfAborted();
  const { label, version } = session;
  yield { what: 'rsync here', state: 'ok', message: version.join('.') };
  yield { what: 'login', state: 'ok', message: `${label} answers, with the host key that is known` };

  const there = await startThere(session, signal);
  yield there;
  if (there.state === 'failure') return;
  // The same in every run: where it cannot be removed no more than one is left.
  const name = `.isocket-${session.context.owner}-check.part`;
  const written = await writeThere(session, name, signal);
  yield written;
  if (written.state === 'ok') yield await removeThere(session, name, signal);
}

const placeOf = ({ master, options, capabilities }: Session, farm: string): RunPlace => ({
  socket: master.socket,
  farm,
  path: options.path,
  capabilities,
});

const startThere = async (session: Session, signal: AbortSignal): Promise<ProbeResult> => {
  using farm = createFarm(session.farms);
  farm.likeness(`.isocket-${session.context.owner}-check.part`, 0n, 0);
  const run = compareArguments(placeOf(session, farm.path), 'listed');
  const verdict = judgeRun(await runRsync(run, { list: farm.list }, signal));
  signal.throwIfAborted();
  return verdict.kind === 'line'
    ? { what: 'rsync there', state: 'failure', message: verdict.state, hint: verdict.hint }
    : { what: 'rsync there', state: 'ok', message: 'it starts, and finds the destination’s path' };
};

/** As every file is sent. */
const writeThere = async (session: Session, name: string, signal: AbortSignal): Promise<ProbeResult> => {
  const { durable } = session.context;
  const send = async (): Promise<RunEnd> => {
    using farm = createFarm(session.farms);
    farm.likeness(name, 1n, 0);
    const how = { ...placeOf(session, farm.path), durable, bandwidth: null, inStep: false, partialFolder: undefined };
    return await runRsync(sendArguments(how), { list: farm.list }, signal);
  };
  let end = await send();
  const first = judgeRun(end);
  if (first.kind === 'refused') {
    session.refuse(first.options);
    end = await send();
  }
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  const what = 'write';
  if (end.exitCode === 0) {
    const synced = durable && session.capabilities.optional.has('fsync');
    const message = `a file was written${synced ? ', put on stable storage' : ''} and renamed there`;
    return { what, state: 'ok', message };
  }
  if (isBusy(end)) {
    const message = 'nothing was tried: rrsync lets in one at a time, and another one is there';
    return { what, state: 'warning', message, hint: 'try again when it is through' };
  }
  if (verdict.kind === 'line') return { what, state: 'failure', message: verdict.state, hint: verdict.hint };
  const problem = fileProblem(end.stderr, name, session.label);
  return {
    what,
    state: 'failure',
    message: problem?.message ?? `rsync ended with ${end.exitCode ?? 'a signal'}`,
    hint: problem?.hint ?? 'look at the destination for the reason',
  };
};

const removeThere = async (session: Session, name: string, signal: AbortSignal): Promise<ProbeResult> => {
  using farm = createFarm(session.farms);
  const run = tidyArguments(placeOf(session, farm.path), name);
  const { exitCode } = await runRsync(run, {}, signal);
  signal.throwIfAborted();
  return exitCode === 0
    ? { what: 'clean up', state: 'ok', message: 'our file was removed' }
    : {
        what: 'clean up',
        state: 'warning',
        message: `"${name}" stays there: the account may not remove files`,
        hint: 'nothing needs to be done: there is never more than this one',
      };
};
