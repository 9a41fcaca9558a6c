import { existsSync, lstatSync, watch, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode, TransportError } from '../../errors.ts';
import { showName } from '../../name.ts';
import { RECEIVER_SAYS, refusalIn } from '../../sftp/receiver-words.ts';
import { collectStderr, isOnPath, startChild } from './child.ts';
import { fastCiphers } from './ciphers.ts';
import { neededOverrides, readConfiguration } from './configuration.ts';
import { makeControlFolder } from './control-folder.ts';
import { knownHostsFiles } from './known-hosts-files.ts';
import type { OpenSshLogin } from './options.ts';
import { retransmitMs, type Latency } from './latency.ts';
import { masterArguments } from './ssh-arguments.ts';
import { expandHome, isReadOnce, readSecret } from '../key-file.ts';

/** An OpenSSH master connection: a child process, and a control socket through which other ssh processes use its login. */
export interface Master extends AsyncDisposable {
  readonly socket: string;
  readonly closed: boolean;
  /** Measured at login. */
  readonly latency: Latency;
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>;
  /** Called once when the connection is gone. */
  onClose(listener: (reason: Error) => void): void;
  /** Who ended it, once it is gone. */
  readonly lost: () => string;
}

/** ssh's own timeouts do not cover a server that falls silent in the middle of a login. */
const LOGIN_DEADLINE_MS = 45_000;

/** @throws TransportError `network`, or `auth` where a person must act */
export const startMaster = async (
  login: OpenSshLogin,
  { stateFolder, where }: { readonly stateFolder: string; readonly where: string },
  signal: AbortSignal,
): Promise<Master> => {
  if (!isOnPath('ssh')) {
    throw new TransportError('auth', `Cannot connect to ${where}: there is no ssh program`, {
      hint: 'install openssh-client',
    });
  }
  const configuration = await readConfiguration(login, where, signal);
  const [ciphers, overrides] = [fastCiphers(configuration), neededOverrides(configuration)];
  using stack = new DisposableStack();
  const folder = stack.use(makeControlFolder(stateFolder));
  const askpass = await askpassEnv(login, folder.path);
  const { socket } = folder;
  const appeared = stack.adopt(watchFor(socket), (watching) => watching.stop());
  const hasPassphrase = askpass !== undefined;
  const { given: knownHosts } = knownHostsFiles(login, configuration);
  const args = masterArguments(login, { socket, hasPassphrase, knownHosts, ciphers, overrides });
  const startedMs = Date.now();
  const child = startChild('ssh', args, { ...(askpass === undefined ? {} : { env: askpass }) });
  const stderr = collectStderr(child);
  child.stdout.resume();
  child.stdin.end();
  let closed = false;
  const listeners: ((reason: Error) => void)[] = [];
  let isOurs = false;
  let saidAtLogin = 0;
  const lost = (): string => {
    if (isOurs) return `isocket closed the connection to ${where}`;
    const said = reasonIn(stderr().slice(saidAtLogin));
    return `the connection to ${where} was lost${said === '' ? '' : `: ${said}`}`;
  };
  const ended = child.ended.then(() => {
    closed = true;
    for (const listener of listeners.splice(0)) listener(new Error(lost()));
  });

  try {
    const first = await waitForLogin(appeared.done, ended, signal);
    if (first === 'ended') {
      const { explainLogin } = await import('./explain-login.ts');
      throw await explainLogin(stderr(), { login, configuration, where });
    }
    if (first === 'stopped') throw new TransportError('network', `Stopped connecting to ${where}`);
    if (first === 'late') {
      throw new TransportError('network', `Cannot connect to ${where}: no answer for ${LOGIN_DEADLINE_MS / 1000} s`);
    }
  } catch (error) {
    child.end();
    await ended;
    throw error;
  } finally {
    appeared.stop();
  }
  saidAtLogin = stderr().length;
  // The socket's mtime, not the time of its event: the event loop may have been busy.
  const loginMs = (lstatSync(socket, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) - startedMs;
  const latency = { loginMs, retransmitMs: child.pid === undefined ? undefined : retransmitMs(child.pid) };
  const resources = stack.move();
  return {
    socket,
    get closed() {
      return closed;
    },
    latency,
    ended,
    onClose: (listener) => {
      listeners.push(listener);
    },
    lost,
    [Symbol.asyncDispose]: async () => {
      isOurs ||= !closed;
      child.end();
      await ended;
      resources.dispose();
    },
  };
};

/** As a rule the ssh program says last who ended it: "Connection to HOST closed by remote host." */
const reasonIn = (text: string): string => {
  const refusal = refusalIn(text);
  if (refusal !== undefined) return showName(`${RECEIVER_SAYS}${refusal.state}; ${refusal.hint}`);
  return showName(text.trim().split('\n').at(-1)?.trim().replace(/\.$/, '') ?? '');
};

/** What happens first: the login, the end of ssh, an abort, or the deadline. */
const waitForLogin = async (
  connected: Promise<'connected'>,
  ended: Promise<void>,
  signal: AbortSignal,
): Promise<'connected' | 'ended' | 'stopped' | 'late'> => {
  const deadline = new AbortController();
  const stopped = Promise.withResolvers<'stopped'>();
  const stop = (): void => stopped.resolve('stopped');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([
      connected,
      ended.then(() => 'ended' as const),
      stopped.promise,
      delay(LOGIN_DEADLINE_MS, 'late' as const, { signal: deadline.signal }),
    ]);
  } finally {
    deadline.abort();
    signal.removeEventListener('abort', stop);
  }
};

/** ssh gives the socket its final name only after the login succeeded. */
const watchFor = (path: string): { readonly done: Promise<'connected'>; stop(): void } => {
  const { promise, resolve } = Promise.withResolvers<'connected'>();
  const check = (): void => {
    if (existsSync(path)) resolve('connected');
  };
  const watcher = watch(path.slice(0, path.lastIndexOf('/')), check);
  watcher.on('error', (error) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
  return { done: promise, stop: () => watcher.close() };
};

/**
 * ssh runs an askpass program for the passphrase. It prints a file or a variable: the passphrase is in no argument.
 * @throws TransportError `auth` where the file cannot be used
 */
const askpassEnv = async (login: OpenSshLogin, folder: string): Promise<Record<string, string> | undefined> => {
  const fromEnv = process.env.ISOCKET_PASSPHRASE;
  if (login.passphraseFile === undefined && fromEnv === undefined) return undefined;
  const file = login.passphraseFile === undefined ? undefined : expandHome(login.passphraseFile);
  if (file !== undefined && !(await isReadOnce(file))) await readSecret('destination.passphraseFile', file);
  const program = `${folder}/askpass`;
  const print = file === undefined ? `printf '%s\\n' "$ISOCKET_PASSPHRASE"` : 'exec cat -- "$ISOCKET_PASSPHRASE_FILE"';
  writeFileSync(program, `#!/bin/sh\n${print}\n`, { mode: 0o700 });
  return {
    SSH_ASKPASS: program,
    SSH_ASKPASS_REQUIRE: 'force',
    DISPLAY: process.env.DISPLAY ?? ':0', // OpenSSH before 8.4 runs an askpass program only with DISPLAY set.
    ...(file === undefined ? {} : { ISOCKET_PASSPHRASE_FILE: file }),
  };
};
