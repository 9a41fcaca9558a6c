import { valueAt } from '../../core/config-problems.ts';
import { errorMessage, TransportError, UserError, type TransportErrorClass } from '../../errors.ts';
import { showName } from '../../name.ts';
import type { Discrepancy, Transport, TransportContext, TransportPlugin } from '../../transport.ts';

/**
 * Makes the module of a transport that isocket does not bundle keep its contract, whatever it does. What it lacks is a `UserError` that
 * names it, at load or in `connect`. What it throws from there on is its own error, with its name: never a defect of isocket.
 * @param name as the configuration writes it
 * @throws UserError where `exported` is not a plug-in
 */
export const guardPlugin = (name: string, exported: unknown): TransportPlugin => {
  if (exported === undefined) throw unusable(name, 'it has no default export');
  const missing = missingMembers(exported, PLUGIN_MEMBERS);
  if (missing.length > 0) throw unusable(name, `its default export has no ${inWords(missing)}`);
  const plugin = exported as TransportPlugin;
  return {
    name: plugin.name,
    parseOptions: (input) => callSync(name, 'parseOptions', () => plugin.parseOptions(input)),
    connect: (options, context) => {
      const connected = callSync(name, 'connect', () => plugin.connect(options, context));
      return guardTransport(name, checkTransport(name, connected), context);
    },
  };
};

const unusable = (name: string, state: string, cause?: unknown): UserError =>
  new UserError(`Cannot use transport "${showName(name)}": ${state}`, {
    hint: 'correct that module, or report it to its author: docs/writing-a-transport.md says what a transport must have',
    cause,
  });

type Members = readonly (readonly [key: PropertyKey, type: 'string' | 'number' | 'function'])[];

const PLUGIN_MEMBERS: Members = [
  ['name', 'string'],
  ['parseOptions', 'function'],
  ['connect', 'function'],
];
const TRANSPORT_MEMBERS: Members = [
  ['label', 'string'],
  ['inFlight', 'number'],
  ['send', 'function'],
  ['verify', 'function'],
  ['tidy', 'function'],
  ['probe', 'function'],
  [Symbol.asyncDispose, 'function'],
];

const OPTIONAL_MEMBERS = ['underWay', 'isLost', 'list', 'listTree', 'fetch', 'sums'] as const;

const missingMembers = (value: unknown, members: Members): string[] =>
  members
    .filter(([key, type]) => typeof valueAt(value, [key]) !== type)
    .map(([key]) => (typeof key === 'symbol' ? `[${key.description ?? ''}]` : String(key)));

const inWords = (words: readonly string[]): string =>
  words.length === 1 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;

const callSync = <T>(name: string, member: 'parseOptions' | 'connect', call: () => T): T => {
  let result: T;
  try {
    result = call();
  } catch (error) {
    throw error instanceof UserError ? error : unusable(name, `its ${member} failed: ${errorMessage(error)}`, error);
  }
  if (typeof valueAt(result, ['then']) === 'function')
    throw unusable(name, `its ${member} returned a promise: it must not be async`);
  return result;
};

const checkTransport = (name: string, connected: unknown): Transport => {
  const missing = missingMembers(connected, TRANSPORT_MEMBERS);
  for (const key of OPTIONAL_MEMBERS) {
    const member = valueAt(connected, [key]);
    if (member !== undefined && typeof member !== 'function') missing.push(`${key} that is a function`);
  }
  const has = (key: string): boolean => valueAt(connected, [key]) !== undefined;
  if (has('fetch') !== has('listTree'))
    missing.push(has('fetch') ? 'listTree (needed with fetch)' : 'fetch (needed with listTree)');
  if (missing.length > 0) throw unusable(name, `what its connect returned has no ${inWords(missing)}`);
  const transport = connected as Transport;
  if (!(transport.inFlight >= 1)) throw unusable(name, `its inFlight is ${transport.inFlight}: expected 1 or more`);
  return transport;
};

type Attempt = <T>(action: string, signal: AbortSignal, run: () => T | Promise<T>) => Promise<T>;

const guardTransport = (name: string, transport: Transport, { log }: TransportContext): Transport => {
  const attempt: Attempt = async (action, signal, run) => {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw toTransportError(error, `Cannot ${action}: ${failed(name)}`, log);
    }
  };
  return {
    label: transport.label,
    get inFlight() {
      return Math.max(1, transport.inFlight) || 1; // NaN would let nothing wait, 0 nothing go.
    },
    ...guardWatching(transport),
    send: (file, signal) => attempt(`send "${showName(file.targetPath)}"`, signal, () => transport.send(file, signal)),
    verify: (files, how, signal) =>
      attempt('verify files', signal, async () => {
        const found: unknown = await transport.verify(files, how, signal);
        if (Array.isArray(found)) return found as Discrepancy[];
        throw new TypeError('its verify did not resolve with a list');
      }),
    ...(transport.list === undefined
      ? {}
      : {
          list: (folder, visit, signal) =>
            attempt(`list "${showName(folder)}"`, signal, () => transport.list?.(folder, visit, signal)),
        }),
    ...guardReading(transport, attempt),
    tidy: (folders, signal) => attempt('remove temporary files', signal, () => transport.tidy(folders, signal)),
    async *probe(signal) {
      try {
        yield* transport.probe(signal);
      } catch (error) {
        signal.throwIfAborted();
        const { message, hint = DEFECT_HINT } = toTransportError(
          error,
          `Cannot finish the probe: ${failed(name)}`,
          log,
        );
        yield { what: 'probe', state: 'failure', message, hint };
      }
    },
    [Symbol.asyncDispose]: async () => {
      try {
        await transport[Symbol.asyncDispose]();
      } catch (error) {
        log('warning', `Cannot close ${transport.label}: ${failed(name)}: ${errorMessage(error)}`);
      }
    },
  };
};

/** It is for people to look at: nothing depends on it. */
const guardWatching = (transport: Transport): Pick<Transport, 'underWay' | 'isLost'> => {
  const { underWay, isLost } = transport;
  return {
    ...(underWay === undefined ? {} : { underWay: () => orElse(new Map(), () => new Map(underWay.call(transport))) }),
    ...(isLost === undefined ? {} : { isLost: () => orElse(false, () => isLost.call(transport)) }),
  };
};

const orElse = <T>(otherwise: T, ask: () => T): T => {
  try {
    return ask();
  } catch {
    return otherwise;
  }
};

/** The way back, of a transport that has it. */
const guardReading = (transport: Transport, attempt: Attempt): Pick<Transport, 'listTree' | 'fetch' | 'sums'> => {
  const { listTree, fetch, sums } = transport;
  return {
    ...(listTree === undefined
      ? {}
      : {
          listTree: (folder, how, signal) =>
            attempt(`list "${showName(folder)}"`, signal, () => listTree.call(transport, folder, how, signal)),
        }),
    ...(fetch === undefined
      ? {}
      : {
          fetch: (files, how, signal) =>
            attempt('fetch files', signal, () => fetch.call(transport, files, how, signal)),
        }),
    ...(sums === undefined
      ? {}
      : { sums: (files, signal) => attempt('compute sums', signal, () => sums.call(transport, files, signal)) }),
  };
};

const DEFECT_HINT = 'a defect of this transport, not of isocket: report it to its author (--verbose shows the stack)';

const failed = (name: string): string => `transport "${showName(name)}" failed`;

const CLASSES: Readonly<Record<TransportErrorClass, true>> = {
  network: true,
  'destination-full': true,
  auth: true,
  file: true,
  'source-changed': true,
};

/** What a transport rejected with, where it is not the one error that it may reject with: this file failed, and why. */
const toTransportError = (error: unknown, action: string, log: TransportContext['log']): TransportError => {
  if (error instanceof TransportError && Object.hasOwn(CLASSES, error.class)) return error;
  if (error instanceof Error && error.stack !== undefined) log('info', error.stack);
  return new TransportError('file', `${action}: ${errorMessage(error)}`, { hint: DEFECT_HINT, cause: error });
};
