import { lookup } from 'node:dns/promises';
import { errorMessage, TransportError } from '../../errors.ts';
import type { SftpClient } from '../../sftp/client.ts';
import type { ProbeResult, TransportContext } from '../../transport.ts';
import { connect } from '../../ssh/connect.ts';
import { fetchHostKey } from '../../ssh/fetch-host-key.ts';
import { filesOf, hostKeyFingerprint, knownKeyTypes } from '../../ssh/known-hosts.ts';
import { noChannel } from './no-channel.ts';
import type { SftpOptions } from './options.ts';
import { probeFiles } from './probe-files.ts';
import { connectSocket } from '../../ssh/connect-socket.ts';
import { describeNetwork } from '../../ssh/network-hints.ts';
import { readLogin } from '../../ssh/login.ts';
import { hostKeyError, readAllKnownHosts } from '../../ssh/host-key.ts';
import type { SshConnection } from '../../ssh/connection.ts';

const WATCH_EVERY_MS = 1_000;
const SILENCE_MS = 30_000;

/** One step of the probe: its result, and what the next step needs; without `value` the probe ends here. */
interface Step<T> {
  readonly result: ProbeResult;
  readonly value?: T;
}

/** `Transport.probe` of the sftp transport: name, connection, host key, key, login, subsystem, then the files. */
export async function* probeSftp(
  options: SftpOptions,
  context: ProbeContext,
  label: string,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  for await (const result of steps(options, context, label, signal)) {
    yield result;
    signal.throwIfAborted();
  }
}

type ProbeContext = Pick<TransportContext, 'owner' | 'durable' | 'stateFolder'>;

async function* steps(
  options: SftpOptions,
  context: ProbeContext,
  label: string,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  // The ssh program resolves names and reads keys itself where it connects.
  for (const step of options.system === undefined ? [resolveName, checkHostKey, readKey] : []) {
    for await (const { result } of step(options, signal)) {
      yield result;
      if (result.state === 'failure') return;
    }
  }
  const login = await attempt('login', signal, async () => {
    const connection = await connect(options, context, signal);
    return { value: connection, message: `logged in to ${label}` };
  });
  yield login.result;
  const connection = login.value;
  if (connection === undefined) return;
  const watch = endWhenSilent(connection, signal);
  try {
    const subsystem = await attempt('sftp', signal, () => openSubsystem(connection, options.host));
    yield subsystem.result;
    if (subsystem.value !== undefined) yield* probeFiles(subsystem.value, options, { ...context, label }, signal);
  } finally {
    await watch[Symbol.asyncDispose]();
  }
}

const attempt = async <T>(
  what: string,
  signal: AbortSignal,
  act: () => Promise<{ value: T; message: string }>,
): Promise<Step<T>> => {
  try {
    const { value, message } = await act();
    return { result: { what, state: 'ok', message }, value };
  } catch (error) {
    signal.throwIfAborted();
    return { result: failure(what, error) };
  }
};

const failure = (what: string, error: unknown): ProbeResult => ({
  what,
  state: 'failure',
  message: errorMessage(error),
  hint:
    (error instanceof TransportError ? error.hint : undefined) ??
    'see the server’s log for the reason, and try "ssh" or "sftp" by hand with the same user and key',
});

async function* resolveName({ host }: SftpOptions, signal: AbortSignal): AsyncGenerator<Step<void>> {
  yield await attempt('name', signal, async () => {
    try {
      const addresses = await lookup(host, { all: true });
      const list = addresses.map(({ address }) => address).join(', ');
      return { value: undefined, message: list === host ? `${host} is an address` : `${host} is ${list}` };
    } catch (error) {
      throw new TransportError('network', `Cannot find host "${host}": ${describeNetwork(error).state}`, {
        hint: 'correct destination.host, fix the name service, or write the address instead',
        cause: error,
      });
    }
  });
}

async function* checkHostKey(options: SftpOptions, signal: AbortSignal): AsyncGenerator<Step<unknown>> {
  const { host, port } = options;
  const started = performance.now();
  const connected = await attempt('connect', signal, async () => {
    const value = await connectSocket(host, port, signal);
    return { value, message: `${host}:${port} answers within ${Math.ceil(performance.now() - started)} ms` };
  });
  yield connected;
  const socket = connected.value;
  if (socket === undefined) return;
  yield await attempt('host key', signal, async () => {
    const known = await readAllKnownHosts(options.knownHosts).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
    const key = await fetchHostKey(socket, knownKeyTypes(known, { host, port }), signal);
    const problem = hostKeyError(known, key, options, `${host}:${port}`);
    if (problem !== undefined) throw problem;
    return {
      value: undefined,
      message: `${hostKeyFingerprint(key)} is in ${filesOf(known, { host, port }, key).join(', ')}`,
    };
  });
}

async function* readKey(options: SftpOptions, signal: AbortSignal): AsyncGenerator<Step<void>> {
  yield await attempt('key', signal, async () => {
    await readLogin(options);
    return { value: undefined, message: options.agent ? 'from the ssh agent' : `${options.identityFile} can be used` };
  });
}

const openSubsystem = async (
  connection: SshConnection,
  host: string,
): Promise<{ value: SftpClient; message: string }> => {
  try {
    return { value: await connection.openSftp(), message: 'the account may use SFTP' };
  } catch (error) {
    const silentSeconds = connection.silentMs() > SILENCE_MS ? SILENCE_MS / 1000 : undefined;
    throw noChannel(error, host, silentSeconds);
  }
};

/** Closes the connection when the server is silent or `signal` aborts, so that every pending request settles. */
const endWhenSilent = (connection: SshConnection, signal: AbortSignal): AsyncDisposable => {
  const close = (): void => void connection.close();
  const watch = setInterval(() => {
    if (connection.silentMs() > SILENCE_MS) close();
  }, WATCH_EVERY_MS);
  signal.addEventListener('abort', close, { once: true });
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(watch);
      signal.removeEventListener('abort', close);
      await connection.close();
    },
  };
};
