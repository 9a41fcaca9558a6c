import { existsSync, statSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { ConfigError } from '../../core/config-problems.ts';
import { UserError } from '../../errors.ts';
import { findKey, findRoot, foldersIn, guessTag, serviceSite } from './defaults.ts';
import type { Prompt } from './prompt.ts';

/** What the sample is filled in with. */
export interface Answers {
  readonly site: string;
  readonly root: string;
  readonly tag: string;
  readonly transport: string;
  readonly host: string;
  readonly port: string;
  readonly user: string;
  readonly path: string;
  readonly identityFile: string;
}

export type AnswerKey = keyof Answers;

/** The question's words, and the path of its answer in the configuration. The order is the order of asking. */
const QUESTIONS: Readonly<Record<AnswerKey, { readonly text: string; readonly path: string; readonly flag: string }>> =
  {
    site: { text: 'Name of this site', path: 'site', flag: '--site' },
    root: { text: 'Folder under which the parser makes its directories', path: 'source.root', flag: '--root' },
    tag: { text: 'Their names begin with (empty: all directories)', path: 'source.tag', flag: '--tag' },
    transport: { text: 'Transport', path: 'destination.transport', flag: '--transport' },
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
  /** Throws a ConfigError for what the configuration would not take. */
  readonly validate: (answers: Answers) => void;
}

/**
 * Every answer: as given by a flag, else asked on the terminal, else as found by looking.
 * @param reached is called with the answers so far once host and port are known; says in a sentence what is wrong with them
 * @throws UserError naming every flag that is missing where nobody can be asked, and for a flag that cannot be right
 */
export const collectAnswers = async (
  context: QuestionsContext,
  prompt: Prompt | undefined,
  reached: (host: string, port: number) => Promise<string | undefined>,
): Promise<Answers> => {
  const { given, transports } = context;
  const answers: Partial<Record<AnswerKey, string>> = { ...given };
  const missing: string[] = [];
  for (const key of Object.keys(QUESTIONS) as AnswerKey[]) {
    const value = given[key];
    const problem = (answer: string): string | undefined => problemWith(key, answer, context);
    const usual = usualFor(key, answers, context);
    if (value !== undefined) {
      const trouble = problem(value);
      if (trouble !== undefined)
        throw new UserError(`Cannot use ${QUESTIONS[key].flag}: ${trouble}`, { hint: 'correct it' });
    } else if (prompt !== undefined && !(key === 'transport' && transports.length === 1)) {
      const text = key === 'transport' ? `Transport: ${transports.join(' or ')}` : QUESTIONS[key].text;
      answers[key] = await prompt.ask(text, { ...(usual === undefined ? {} : { usual }), problem });
    } else if (usual !== undefined) answers[key] = usual;
    else missing.push(`${QUESTIONS[key].flag} (${QUESTIONS[key].text.toLowerCase()})`);
    if (key === 'port' && prompt !== undefined && given.host === undefined)
      await askUntilReached(answers, context, prompt, reached);
  }
  if (missing.length === 0) return answers as Answers;
  throw new UserError(`Cannot write a configuration: nobody to ask for ${missing.join(', ')}`, {
    hint: 'give these options, or run it on a terminal without --yes',
  });
};

const askUntilReached = async (
  answers: Partial<Record<AnswerKey, string>>,
  context: QuestionsContext,
  prompt: Prompt,
  reached: (host: string, port: number) => Promise<string | undefined>,
): Promise<void> => {
  for (;;) {
    const trouble = await reached(answers.host ?? '', Number(answers.port));
    if (trouble === undefined) return;
    prompt.say(`  ${trouble}`);
    if (await prompt.confirm('Keep this host and port all the same?', false)) return;
    for (const key of ['host', 'port'] as const) {
      const usual = answers[key];
      const problem = (answer: string): string | undefined => problemWith(key, answer, context);
      answers[key] = await prompt.ask(QUESTIONS[key].text, { ...(usual === undefined ? {} : { usual }), problem });
    }
  }
};

const usualFor = (key: AnswerKey, sofar: Partial<Answers>, { configPath }: QuestionsContext): string | undefined => {
  switch (key) {
    case 'site':
      return serviceSite(configPath) ?? hostname();
    case 'root':
      return findRoot();
    case 'tag':
      return guessTag(foldersIn(sofar.root ?? ''));
    case 'transport':
      return 'sftp';
    case 'port':
      return '22';
    case 'user':
      return userInfo().username;
    case 'path':
      return sofar.site === undefined ? undefined : `/backup/${sofar.site}`;
    case 'identityFile':
      return findKey(homedir());
    case 'host':
      return undefined;
  }
};

const SAFE: Answers = {
  site: 'site',
  root: '/datas',
  tag: '',
  transport: 'sftp',
  host: 'localhost',
  port: '22',
  user: 'isocket',
  path: '/backup',
  identityFile: '~/.ssh/id_ed25519',
};

/** What is wrong with one answer, in a sentence; the configuration's own rules say so. */
const problemWith = (key: AnswerKey, answer: string, { validate }: QuestionsContext): string | undefined => {
  if (key === 'host' && answer === '') return 'a host is needed: the name or address of the destination';
  if (key === 'root' && answer !== '') {
    if (!existsSync(answer)) return `"${answer}" is not there: create it or mount it first, or name another folder`;
    if (!statSync(answer).isDirectory())
      return `"${answer}" is not a folder: name the folder above the parser’s directories`;
  }
  try {
    validate({ ...SAFE, [key]: answer });
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [problem] = error.problems;
    return `"${answer}" will not do: expected ${problem?.expected ?? 'something else'}`;
  }
};
