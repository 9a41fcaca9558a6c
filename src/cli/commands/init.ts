import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultLoaders } from 'cosmiconfig';
import { parseConfig } from '../../config/parse-config.ts';
import { errorMessage, systemErrorCode, TransportError, UserError } from '../../errors.ts';
import { CONFIG_NAMES } from '../../config/find-config.ts';
import { serviceSite } from '../init/defaults.ts';
import { fillTemplate } from '../init/fill-template.ts';
import { openPrompt, type Prompt } from '../init/prompt.ts';
import { collectAnswers, pathOf, type AnswerKey, type Answers } from '../init/questions.ts';
import { shellWord } from '../../name.ts';
import { packageFile } from '../../package-file.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { bundledTransport, bundledTransportNames } from '../../transports/index.ts';
import { expandHome } from '../../ssh/key-file.ts';
import { connectionProblem, makeKeyPair, readHostKey } from './init-destination.ts';
import { makeFolders } from '../../host/make-folders.ts';

export interface InitOptions extends CommonOptions, Partial<Answers> {
  readonly knownHosts?: string;
  readonly yes?: boolean;
  readonly makeKey?: boolean;
  /** "SHA256:…": the host's key is added to known_hosts if this is its fingerprint. */
  readonly acceptHostKey?: string;
}

const TEMPLATES: Readonly<Record<string, string>> = {
  sftp: 'isocketrc.yaml',
  rsync: 'isocketrc-rsync.yaml',
  rclone: 'isocketrc-rclone.yaml',
};

/** `isocket init`: writes a commented configuration, asking on a terminal. Never overwrites. Resolves with the exit code. */
export const init = async (options: InitOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  const { signal } = shutdown;
  const configPath = resolve(options.config ?? CONFIG_NAMES[0] ?? '.isocketrc');
  refuseToOverwrite(configPath);
  const isDialogue = process.stdin.isTTY && options.yes !== true && options.json !== true;
  using prompt = isDialogue ? openPrompt(process.stdin, process.stderr) : undefined;
  const transports = bundledTransportNames.filter((name) => TEMPLATES[name] !== undefined);
  const context = { given: givenBy(options), configPath, transports, validate };
  const answers = await collectAnswers(context, prompt, (host, port) => connectionProblem({ host, port }, signal));
  refuseOfSsh(answers, options);
  const notes: string[] = [];
  const knownHosts = options.knownHosts ?? '~/.ssh/known_hosts';
  const publicKey = await createKey(answers, options, prompt);
  const hostKey = await confirmHostKey(answers, knownHosts, options, prompt, notes, signal);
  writeConfig(configPath, textFor(answers, configPath, options.knownHosts));
  const next = nextCommand(configPath);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ type: 'init', config: configPath, publicKey, hostKey, next })}\n`);
    return 0;
  }
  process.stdout.write(`wrote ${configPath}, readable by you alone\n`);
  if (publicKey !== undefined) process.stdout.write(whereKeyGoes(answers, publicKey));
  for (const line of notes) process.stdout.write(`${line}\n`);
  process.stdout.write(`next: ${next}\n`);
  return 0;
};

const whereKeyGoes = ({ user, host, transport, identityFile = '' }: Answers, publicKey: string): string => {
  const file = shellWord(`${expandHome(identityFile)}.pub`);
  return [
    `put this line into ~/.ssh/authorized_keys of ${user} at ${host}:`,
    `  ${publicKey}`,
    // ProFTPD has no rsync.
    ...(transport === 'sftp'
      ? [
          `or, where that is ProFTPD, into the file of SFTPAuthorizedUserKeys what this prints: ssh-keygen -e -f ${file}`,
        ]
      : []),
    '',
  ].join('\n');
};

const givenBy = (options: InitOptions): Partial<Answers> => {
  const keys: readonly AnswerKey[] = [
    'site',
    'root',
    'tag',
    'transport',
    'remote',
    'host',
    'port',
    'user',
    'path',
    'identityFile',
  ];
  return Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
};

/** @throws UserError for what is of SSH alone, where the transport is another */
const refuseOfSsh = ({ host, transport }: Answers, { knownHosts, makeKey, acceptHostKey }: InitOptions): void => {
  if (host !== undefined) return;
  const given = { '--known-hosts': knownHosts, '--make-key': makeKey, '--accept-host-key': acceptHostKey };
  for (const [flag, value] of Object.entries(given))
    if (value !== undefined)
      throw new UserError(`Cannot use ${flag}: transport ${transport} has no such thing`, { hint: 'leave it out' });
};

const refuseToOverwrite = (configPath: string): void => {
  const folder = dirname(configPath);
  const there = [configPath, ...CONFIG_NAMES.map((name) => join(folder, name))].find((path) => existsSync(path));
  if (there === undefined) return;
  throw new UserError(`Cannot write a configuration: "${there}" is there already`, {
    hint: 'edit it, move it away, or write another one with --config FILE',
  });
};

/** @throws ConfigError */
const validate = (answers: Answers): void => {
  const { site, root, tag, port, ...destination } = answers;
  const number = port !== undefined && /^\d+$/.test(port) ? Number(port) : port;
  const input = {
    site,
    source: { root, tag },
    destination: { ...destination, ...(port === undefined ? {} : { port: number }) },
  };
  parseInput(input, '.isocketrc');
};

const parseInput = (input: unknown, path: string): void => {
  parseConfig(input, {
    path,
    hostname: hostname(),
    transport: bundledTransport,
    transportNames: bundledTransportNames,
  });
};

/** Creates a key pair where the user wants one. Returns its public key line. */
const createKey = async (
  { identityFile, site }: Answers,
  { makeKey = false }: InitOptions,
  prompt: Prompt | undefined,
): Promise<string | undefined> => {
  if (identityFile === undefined || existsSync(expandHome(identityFile))) return undefined;
  const wanted =
    makeKey || (prompt !== undefined && (await prompt.confirm(`There is no key ${identityFile}. Make it?`, true)));
  return wanted ? makeKeyPair(identityFile, `isocket@${site}`) : undefined;
};

/** Asks whether the host's fingerprint is right, and adds the key to known_hosts only on a yes. Returns the fingerprint. */
const confirmHostKey = async (
  { host, port }: Answers,
  knownHosts: string,
  { acceptHostKey }: InitOptions,
  prompt: Prompt | undefined,
  notes: string[],
  signal: AbortSignal,
): Promise<string | undefined> => {
  if (host === undefined) return undefined; // rclone has its own ways to know whom it talks to.
  let seen;
  try {
    seen = await readHostKey({ host, port: Number(port) }, knownHosts, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TransportError) || acceptHostKey !== undefined) throw error;
    notes.push(`not reached yet: ${error.message}`);
    return undefined;
  }
  const { fingerprint, verdict } = seen;
  if (acceptHostKey !== undefined && acceptHostKey !== fingerprint) {
    throw new UserError(`Cannot trust ${host}:${port}: its host key is ${fingerprint}, not ${acceptHostKey}`, {
      hint: 'somebody may be in the middle: compare with what "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" says at the host',
      exitCode: 3,
    });
  }
  if (verdict === 'known') {
    notes.push(`the host key ${fingerprint} is known already`);
    return fingerprint;
  }
  if (verdict !== 'unknown') {
    notes.push(
      `the host key ${fingerprint} is NOT trusted: ${knownHosts} has another one, or it is revoked; isocket check says more`,
    );
    return fingerprint;
  }
  const question = `The host key of ${host}:${port} is ${fingerprint}. Is this the right one?`;
  const accepted = acceptHostKey !== undefined || (prompt !== undefined && (await prompt.confirm(question, false)));
  if (accepted) seen.accept();
  notes.push(
    accepted
      ? `the host key ${fingerprint} is now in ${knownHosts}`
      : `the host key ${fingerprint} is NOT trusted yet: isocket check says how, once you have compared it with the host’s own`,
  );
  return fingerprint;
};

const textFor = (answers: Answers, configPath: string, knownHosts: string | undefined): string => {
  const file = TEMPLATES[answers.transport] ?? '';
  const template = fileURLToPath(packageFile(`templates/${file}`));
  const service = serviceSite(configPath);
  const values = Object.entries(answers).map(([key, value]: [string, string]) => [
    pathOf(key as AnswerKey),
    key === 'port' ? Number(value) : value,
  ]);
  const text = fillTemplate(readFileSync(template, 'utf8'), {
    ...Object.fromEntries(values) as Record<string, string | number>, // prettier-ignore
    'destination.knownHosts': knownHosts,
    // The service and commands run by hand must share one state folder: the unit's StateDirectory.
    state: service === undefined ? undefined : `/var/lib/isocket/${service}`,
  })
    .replace('$schema=./', `$schema=${dirname(template)}/`)
    // Whoever reads it is not in our folder.
    .replaceAll(/(?<![\w/])(?:docs|templates)\/[\w.-]+/g, (name) => fileURLToPath(packageFile(name)));
  parseInput(defaultLoaders['.yaml'](configPath, text), configPath);
  return text;
};

const writeConfig = (path: string, text: string): void => {
  try {
    makeFolders(dirname(path), 0o777);
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new UserError(`Cannot write "${path}": ${systemErrorCode(error) ?? errorMessage(error)}`, {
      hint: 'let this user write the folder, or name another file with --config',
      cause: error,
    });
  }
};

/** Names the configuration where isocket would not find it by itself. */
const nextCommand = (path: string): string =>
  dirname(path) === process.cwd() && CONFIG_NAMES.some((name) => path.endsWith(`/${name}`))
    ? 'isocket check'
    : `isocket --config ${/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`} check`;
