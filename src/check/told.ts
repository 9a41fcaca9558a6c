import { accessSync, constants, statSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { dirname } from 'node:path';
import type { Config, HookCommand } from '../config/config.ts';
import { distrust } from '../config/trusted-file.ts';
import { plainMessage, systemErrorCode } from '../errors.ts';
import { ownUserName } from '../host/home.ts';
import type { ProbeResult } from '../transport.ts';
import { ownCommand } from '../host/own-command.ts';

const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const LOOKUP_MS = 5000;

/**
 * Who is told how it goes, and where that is written: can it work? Nothing is run, pinged or written. None of it keeps a file from being sent, so that all are warnings.
 * @param configPath the file of the configuration
 */
export async function* checkTold(config: Config, configPath: string | undefined): AsyncGenerator<ProbeResult> {
  const { hooks, log, status } = config;
  const keys = [
    ...(['finished', 'alert'] as const).filter((name) => hooks[name] !== null).map((name) => `hooks.${name}`),
    ...(log.file === null ? [] : ['log.file']),
    ...(status.textfile === null ? [] : ['status.textfile']),
  ];
  const distrusted = configPath === undefined || keys.length === 0 ? undefined : whyDistrusted(configPath);
  if (distrusted !== undefined) {
    const message = `${keys.join(', ')} will not be obeyed: others can change the configuration, ${distrusted}`;
    yield { what: 'obeyed', state: 'warning', message, hint: 'let you or root alone own and write it and its folder' };
  }
  for (const name of ['finished', 'alert'] as const) {
    const command = hooks[name];
    if (command !== null) yield commandLine(`hooks.${name}`, command);
  }
  if (hooks.ping !== null) yield await pingLine(hooks.ping);
  if (log.file !== null) yield folderLine('log.file', log.file);
  if (status.textfile !== null) yield folderLine('status.textfile', status.textfile);
}

/** Why commands and files of this configuration are not obeyed; undefined: they are. */
export const whyDistrusted = (path: string): string | undefined => {
  try {
    return distrust(path);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return 'nobody can say whose it is';
  }
};

/** What begins so is for the shell itself. */
const SHELL_WORDS = new Set(
  '. : [ break case cd command continue echo eval exec exit export false for if printf read set shift sleep test time trap true ulimit umask unset until wait while'.split(
    ' ',
  ),
);

/** The program of a command, as far as that can be known without a shell. Pure. */
const programOf = (command: HookCommand): string | undefined => {
  if (typeof command !== 'string') return command[0];
  const [, word] = /^\s*([\w./+-]+)(?=\s|$)/.exec(command) ?? [];
  return word === undefined || SHELL_WORDS.has(word) ? undefined : word;
};

/** They take rights that they lose again, or write where only they may. */
const MAILERS = /(?:^|[\s/;&|(])(?:mailx?|bsd-mailx|sendmail|exim4?)(?:\s|$)/;
const NOT_IN_UNITS =
  ' (by hand and by cron: it may not work in isocket’s hardened units, for which docs/being-told.md has another way)';

const untried = (what: string): string =>
  what === 'hooks.alert' ? `; ${ownCommand('check', '--notify')} tries it` : '';

const commandLine = (what: string, command: HookCommand): ProbeResult => {
  const program = programOf(command);
  const more = `${MAILERS.test([command].flat().join(' ')) ? NOT_IN_UNITS : ''}${untried(what)}`;
  if (program === undefined) return { what, state: 'ok', message: `a command line for /bin/sh${more}` };
  const reason = program.includes('/')
    ? whyNotRun(program)
    : isInPath(program)
      ? undefined
      : 'it is in no folder of PATH';
  if (reason === undefined) return { what, state: 'ok', message: `${program} can be run${more}` };
  return {
    what,
    state: 'warning',
    message: `Cannot run ${program}: ${reason}`,
    hint: `install it, correct ${what}, or let ${ownUserName() ?? 'the user that runs isocket'} execute it`,
  };
};

/** Relative ones are looked for in "/", where commands run. */
const whyNotRun = (program: string): string | undefined => {
  const path = program.startsWith('/') ? program : `/${program}`;
  try {
    if (!statSync(path).isFile()) return 'it is no file';
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return plainMessage(error);
  }
};

const isInPath = (program: string): boolean =>
  (process.env.PATH ?? USUAL_PATH)
    .split(':')
    .some((folder) => folder.startsWith('/') && whyNotRun(`${folder}/${program}`) === undefined);

/** Whoever is pinged is told that all is well: its host is looked up, and no more. The rest of the URL is a secret. */
const pingLine = async (text: string): Promise<ProbeResult> => {
  const what = 'hooks.ping';
  const host = new URL(text).hostname.replace(/^\[(.*)\]$/, '$1');
  const ended = new AbortController();
  try {
    const late = new Promise<never>((_resolve, reject) => {
      AbortSignal.any([ended.signal, AbortSignal.timeout(LOOKUP_MS)]).addEventListener('abort', () =>
        reject(new Error(`no answer within ${LOOKUP_MS / 1000} s`)),
      );
    });
    const { address } = await Promise.race([lookup(host), late]);
    return { what, state: 'ok', message: `${host} is ${address}; ${ownCommand('check', '--notify')} pings it` };
  } catch (error) {
    const message = `Cannot find ${host}: ${plainMessage(error)}`;
    return { what, state: 'warning', message, hint: 'correct hooks.ping, or the name service of this host' };
  } finally {
    ended.abort();
  }
};

const folderLine = (what: string, file: string): ProbeResult => {
  const folder = dirname(file);
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is no folder');
    accessSync(folder, constants.W_OK | constants.X_OK);
    return { what, state: 'ok', message: `${folder} can be written` };
  } catch (error) {
    return {
      what,
      state: 'warning',
      message: `Cannot write into ${folder}: ${plainMessage(error)}`,
      hint: `as root: install -d -o ${ownUserName() ?? 'USER'} ${folder}; or correct ${what}`,
    };
  }
};
