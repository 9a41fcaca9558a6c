import { existsSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { ConfigError } from '../../core/config-problems.ts';
import { UserError } from '../../errors.ts';
import { findKey, findRoot, foldersIn, guessTag, serviceSite } from './defaults.ts';
import type { Prompt } from './prompt.ts';
import { homeFolder, ownUserName } from '../../host/home.ts';

/** The values that the sample is filled in with: those of the transport's. */
export interface Answers {
  readonly site: string;
  readonly root: string;
  readonly tag: string;
  readonly transport: string;
  readonly path: string;
  /** Only of rclone. */
  readonly remote?: string;
  /** These four only of what goes over SSH. */
  readonly host?: string;
  readonly port?: string;
  readonly user?: string;
  readonly identityFile?: string;
}

export type AnswerKey = keyof Answers;

/** Of transport rclone, and of no other. */
const RCLONE = 'rclone';
const OF_SSH: ReadonlySet<AnswerKey> = new Set(['host', 'port', 'user', 'identityFile']);

const isAsked = (key: AnswerKey, transport: string | undefined): boolean =>
  transport === RCLONE ? !OF_SSH.has(key) : key !== 'remote';

/** Each question's text, flag and path in the configuration, in the order of asking. */
const QUESTIONS: Readonly<Record<AnswerKey, { readonly text: string; readonly path: string; readonly flag: string }>> =
  {
    site: { text: 'Name of this site', path: 'site', flag: '--site' },
    root: { text: 'Folder under which the parser makes its directories', path: 'source.root', flag: '--root' },
    tag: { text: 'Their names begin with (empty: all directories)', path: 'source.tag', flag: '--tag' },
    transport: { text: 'Transport', path: 'destination.transport', flag: '--transport' },
    remote: { text: 'Remote of rclone.conf, such as s3:bucket', path: 'destination.remote', flag: '--remote' },
    host: { text: 'Destination host', path: 'destination.host', flag: '--host' },
    port: { text: 'Its SSH port', path: 'destination.port', flag: '--port' },
    user: { text: 'User there', path: 'destination.user', flag: '--user' },
    path: { text: 'Folder there', path: 'destination.path', flag: '--path' },
    identityFile: { text: 'Private key', path: 'destination.identityFile', flag: '--identity-file' },
  };

export const pathOf = (key: AnswerKey): string => QUESTIONS[key].path;

export interface QuestionsContext {
  readonly given: Readonly<Partial<Answers>>;
  readonly configPath: string;
  readonly transports: readonly string[];
  /** @throws ConfigError for answers that the configuration would not accept */
  readonly validate: (answers: Answers) => void;
}

/**
 * Every answer: given by a flag, else asked on the terminal, else the default that was detected.
 * @param connectionProblem is called once host and port are known; resolves with a sentence that says what is wrong with them
 * @throws UserError naming every missing flag where there is no terminal, and for an invalid flag
 */
export const collectAnswers = async (
  context: QuestionsContext,
  prompt: Prompt | undefined,
  connectionProblem: (host: string, port: number) => Promise<string | undefined>,
): Promise<Answers> => {
  const { given, transports } = context;
  const answers: Partial<Record<AnswerKey, string>> = { ...given };
  const missing: string[] = [];
  for (const key of Object.keys(QUESTIONS) as AnswerKey[]) {
    const value = given[key];
    if (!isAsked(key, answers.transport)) {
      if (value === undefined) continue;
      throw new UserError(`Cannot use ${QUESTIONS[key].flag}: transport ${answers.transport} has no such thing`, {
        hint: 'leave it out, or name another --transport',
      });
    }
    const problem = (answer: string): string | undefined => problemWith(key, answer, answers.transport, context);
    const usual = usualFor(key, answers, context);
    if (value !== undefined) {
      const found = problem(value);
      if (found !== undefined)
        throw new UserError(`Cannot use ${QUESTIONS[key].flag}: ${found}`, { hint: 'correct it' });
    } else if (prompt !== undefined && !(key === 'transport' && transports.length === 1)) {
      const text = key === 'transport' ? `Transport: ${transports.join(', ')}` : QUESTIONS[key].text;
      answers[key] = await prompt.ask(text, { ...(usual === undefined ? {} : { usual }), problem });
    } else if (usual !== undefined) answers[key] = usual;
    else missing.push(`${QUESTIONS[key].flag} (${QUESTIONS[key].text.toLowerCase()})`);
    if (key === 'port' && prompt !== undefined && given.host === undefined)
      await askUntilReachable(answers, context, prompt, connectionProblem);
  }
  if (missing.length === 0) return answers as Answers;
  throw new UserError(`Cannot write a configuration: no terminal to ask for ${missing.join(', ')}`, {
    hint: 'give these options, or run it on a terminal without --yes',
  });
};

const askUntilReachable = async (
  answers: Partial<Record<AnswerKey, string>>,
  context: QuestionsContext,
  prompt: Prompt,
  connectionProblem: (host: string, port: number) => Promise<string | undefined>,
): Promise<void> => {
  for (;;) {
    const problemFound = await connectionProblem(answers.host ?? '', Number(answers.port));
    if (problemFound === undefined) return;
    prompt.say(`  ${problemFound}`);
    if (await prompt.confirm('Keep this host and port all the same?', false)) return;
    for (const key of ['host', 'port'] as const) {
      const usual = answers[key];
      const problem = (answer: string): string | undefined => problemWith(key, answer, answers.transport, context);
      answers[key] = await prompt.ask(QUESTIONS[key].text, { ...(usual === undefined ? {} : { usual }), problem });
    }
  }
};

const usualFor = (key: AnswerKey, soFar: Partial<Answers>, { configPath }: QuestionsContext): string | undefined => {
  switch (key) {
    case 'site':
      return serviceSite(configPath) ?? hostname();
    case 'root':
      return findRoot();
    case 'tag':
      return guessTag(foldersIn(soFar.root ?? ''));
    case 'transport':
      return 'sftp';
    case 'port':
      return '22';
    case 'user':
      return ownUserName();
    case 'path':
      if (soFar.site === undefined) return undefined;
      return soFar.transport === RCLONE ? soFar.site : `/backup/${soFar.site}`;
    case 'identityFile':
      return findKey(homeFolder() ?? '/');
    case 'remote':
    case 'host':
      return undefined;
  }
};

const VALID = { site: 'site', root: '/datas', tag: '', path: '/backup' };
const VALID_OF_SSH = { host: 'localhost', port: '22', user: 'isocket', identityFile: '~/.ssh/id_ed25519' };

const validFor = (transport = 'sftp'): Answers => ({
  ...VALID,
  transport,
  ...(transport === RCLONE ? { remote: 's3:bucket' } : VALID_OF_SSH),
});

/** What is wrong with one answer, in a sentence, by the configuration's own rules. */
const problemWith = (
  key: AnswerKey,
  answer: string,
  transport: string | undefined,
  { validate, transports }: QuestionsContext,
): string | undefined => {
  if (key === 'host' && answer === '') return 'a host is needed: the name or address of the destination';
  if (key === 'root' && answer !== '') {
    if (!existsSync(answer)) return `"${answer}" is not there: create it or mount it first, or name another folder`;
    if (!statSync(answer).isDirectory())
      return `"${answer}" is not a folder: name the folder above the parser’s directories`;
  }
  try {
    const valid = key === 'transport' ? validFor(transports.find((name) => name === answer)) : validFor(transport);
    validate({ ...valid, [key]: answer });
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [problem] = error.problems;
    return `"${answer}" is not valid: expected ${problem?.expected ?? 'something else'}`;
  }
};
