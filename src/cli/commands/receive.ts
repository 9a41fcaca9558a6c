import { once } from 'node:events';
import { join } from 'node:path';
import { errorMessage, plainMessage, systemErrorCode, UserError } from '../../errors.ts';
import type { IsocketEvent, Report } from '../../core/events.ts';
import { parseAuthorizedKeys } from '../../receiver/authorized-keys.ts';
import { loadHostKeys } from '../../receiver/host-key.ts';
import { readKeysFile } from '../../receiver/keys-file.ts';
import { counted } from '../../core/units.ts';
import { listenForShutdown } from '../shutdown.ts';
import { openOutput } from './output.ts';
import { receiveOptions, type ReceiveFlags, type ReceiveOptions } from './receive-options.ts';
import { reloadOnHangup } from './receive-reload.ts';
import { tellReceiverStatus } from './receive-status.ts';
import { warnOfSecond } from './second-receiver.ts';
import { whyNotWritable } from '../../receiver/root-problems.ts';
import { startReceiver, type Receiver, type ReceiverOptions } from '../../receiver/receiver.ts';
import { homeFolder } from '../../host/home.ts';

const SYNCS_AT_ONCE = '32';

/** `isocket receive`. Resolves with the exit code, after a signal. */
export const runReceive = async (flags: ReceiveFlags): Promise<number> => {
  // libuv reads it when it is first asked for a thread. A journal writes all that wait for it at once: with 4 threads four files, 2.5 times slower.
  process.env.UV_THREADPOOL_SIZE ??= SYNCS_AT_ONCE;
  // Without a listener it would end the process. All is still to be read.
  const tooEarly = (): void => undefined;
  process.on('SIGHUP', tooEarly);
  using stack = new DisposableStack();
  stack.defer(() => process.off('SIGHUP', tooEarly));
  let write = (line: string): void => void process.stdout.write(`${line}\n`);
  using shutdown = listenForShutdown(() => write('ended at once by a second signal'));
  using output = await openOutput(flags);
  const report: Report = flags.json === true ? (event) => output.report(timed(event)) : output.report;
  if (flags.json === true) write = (message) => report({ type: 'note', level: 'info', message });
  const options = await receiveOptions(flags, report);
  const reread = (): Promise<ReceiveOptions> => receiveOptions(flags, report);
  await receive(options, { write, report, reread }, shutdown.signal);
  return shutdown.exitCode ?? 0;
};

/** Nobody else says when it was. */
const timed = <E extends IsocketEvent>(event: E): E => ({ time: new Date().toISOString(), ...event });

/**
 * Serves until the signal aborts, then ends every connection.
 * @param io.write gets a line once the receiver listens: its address and the fingerprint of its host key; and one for each signal
 * @param io.reread gives the options again, for SIGHUP
 * @throws UserError for everything that the user can fix
 */
export const receive = async (
  options: ReceiveOptions,
  io: {
    readonly write: (line: string) => void;
    readonly report: Report;
    readonly reread?: () => Promise<ReceiveOptions>;
  },
  signal: AbortSignal,
): Promise<void> => {
  const { root, appendOnly = false, keepVersions = false, atomicPuts = false, limits = {} } = options;
  refuseRoot(options.allowRoot === true);
  const address = parseListenAddress(options.listen);
  checkAuthorizedKeys(options.authorizedKeys);
  const authorizedKeys = { file: options.authorizedKeys };
  const hostKey = loadHostKeys([options.hostKey ?? defaultHostKeyFile()].flat());
  const log: ReceiverOptions['log'] = (level, message) => {
    if (level === 'result') io.write(message);
    else io.report({ type: 'note', level, message });
  };

  const tell = io.report;
  const how = { appendOnly, keepVersions, atomicPuts, limits };
  await using receiver = await start({ ...address, ...how, root, authorizedKeys, hostKey, log, tell });
  const problem = whyNotWritable(root);
  if (problem !== undefined) log('warning', problem);
  // Who started it takes the line below for its word that all is well.
  using stack = new DisposableStack();
  stack.use(await warnOfSecond(root, log));
  stack.use(await tellReceiverStatus(options, receiver, io.report));
  io.write(banner(options, receiver));
  if (io.reread !== undefined) stack.use(reloadOnHangup({ options, receiver, reread: io.reread, log }));
  if (!signal.aborted) await once(signal, 'abort');
  const cut = await receiver.drain();
  if (cut > 0) log('warning', `ended ${counted(cut, 'client')} while a file was open for writing: limits.end is over`);
};

const banner = (
  { root, appendOnly, keepVersions, atomicPuts }: ReceiveOptions,
  { host, port, fingerprints }: Receiver,
): string => {
  const how = [
    ...(appendOnly === true ? ['append-only'] : []),
    ...(keepVersions === true ? ['keeping versions'] : []),
    ...(atomicPuts === true ? ['with atomic puts'] : []),
  ];
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `receiving into ${[root, ...how].join(', ')}${how.length > 0 ? ',' : ''} on ${address}, host key ${fingerprints.join(', ')}`;
};

/** Whatever a client could do by a defect here, it would do as root. */
const refuseRoot = (isAllowed: boolean): void => {
  if (isAllowed || process.getuid?.() !== 0) return;
  throw new UserError('Cannot receive as root: files of clients would belong to root', {
    hint: 'run it as a user of its own (install.sh --receiver sets one up), or give --allow-root',
  });
};

/** @throws UserError for anything but HOST:PORT */
export const parseListenAddress = (listen: string): { host: string; port: number } => {
  const {
    bracketed,
    plain,
    port = '',
  } = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+)):(?<port>\d{1,5})$/.exec(listen)?.groups ?? {};
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65535) {
    throw new UserError(`Cannot listen on "${listen}": it is not HOST:PORT`, {
      hint: 'use for example 0.0.0.0:2222, 127.0.0.1:2222 or [::]:2222',
    });
  }
  return { host, port: Number(port) };
};

/** Once, before anybody comes. @throws UserError where no key is accepted */
const checkAuthorizedKeys = (file: string): void => {
  let text: string;
  try {
    text = readKeysFile(file);
  } catch (error) {
    throw new UserError(`Cannot read the authorized keys "${file}": ${plainMessage(error)}`, {
      hint: 'give a readable file of public keys, one per line, with --authorized-keys',
      cause: error,
    });
  }
  const { size, warnings } = parseAuthorizedKeys(text);
  if (size > 0) return;
  throw new UserError(
    [
      `Cannot use the authorized keys "${file}": no key in it is accepted`,
      ...warnings.map((warning) => `; ${warning}`),
    ].join(''),
    {
      hint: 'add the public key of the source, for example the content of its ~/.ssh/id_ed25519.pub',
    },
  );
};

const defaultHostKeyFile = (): string =>
  process.getuid?.() === 0
    ? '/var/lib/isocket/receive_host_key'
    : join(homeFolder() ?? '/', '.local/state/isocket/receive_host_key');

const start = async (options: ReceiverOptions): Promise<Receiver> => {
  try {
    return await startReceiver(options);
  } catch (error) {
    throw explain(error, options);
  }
};

const explain = (error: unknown, { root, host, port }: ReceiverOptions): unknown => {
  const code = systemErrorCode(error);
  const syscall = error instanceof Error && 'syscall' in error ? error.syscall : undefined;
  const address = `${host}:${port}`;
  const problem = (message: string, hint: string): UserError => new UserError(message, { hint, cause: error });
  if (syscall === 'open') {
    const hint = 'create the folder, or give another with --root';
    if (code === 'ENOENT') return problem(`Cannot receive into "${root}": it does not exist`, hint);
    if (code === 'ENOTDIR') return problem(`Cannot receive into "${root}": it is not a folder`, hint);
    return problem(
      `Cannot receive into "${root}": ${code ?? errorMessage(error)}`,
      'let this user enter it, or give another with --root',
    );
  }
  if (code === 'EADDRINUSE')
    return problem(
      `Cannot listen on ${address}: the address is already in use`,
      'stop the other program, or choose another port with --listen',
    );
  if (code === 'EACCES')
    return problem(`Cannot listen on ${address}: permission denied`, 'choose a port above 1023 with --listen');
  if (code === 'EADDRNOTAVAIL')
    return problem(
      `Cannot listen on ${address}: this host has no such address`,
      'use an address of this host, or 0.0.0.0 for all of them',
    );
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return problem(
      `Cannot listen on ${address}: the name "${host}" has no address`,
      'use an address of this host, or 0.0.0.0 for all of them',
    );
  return error;
};
