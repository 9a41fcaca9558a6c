import { Command, CommanderError } from 'commander';
import { ConfigError } from '../core/config-problems.ts';
import { COMMANDS, COMMON_OPTIONS, type CommandDefinition } from './command-table.ts';
import { errorMessage, isHostFailure, TransportError, UserError } from '../errors.ts';
import { showLines } from '../name.ts';
import { knownCureOf } from '../source/directory-failures.ts';
import { isJournal } from './log/journal.ts';
import { withPriority } from './reporters/log-line.ts';
import { wrapFor } from './reporters/wrap-lines.ts';
import { ENVIRONMENT, EXIT_CODES, TOPICS, topicText } from './manual/topics.ts';
import { refuseTakenByNpm } from './taken-by-npm.ts';
import { readVersion } from './version.ts';

/** Runs a command line (without the program's name). Resolves with the exit code of contract.md §5; never rejects. */
export const run = async (args: readonly string[]): Promise<number> => {
  let exitCode = 0;
  const isJson = asksForJson(args);
  let told = '';
  const program = createProgram(
    (code) => {
      exitCode = code;
    },
    isJson ? (text) => (told += text) : undefined,
  );
  try {
    refuseTakenByNpm(args, process.env);
    const answer = await answerBeforeCommands(args);
    if (answer !== undefined) {
      process.stdout.write(isJson ? `${JSON.stringify(answer.object)}\n` : wrapFor(process.stdout, answer.text));
      return 0;
    }
    await program.parseAsync(meantBy(program, args), { from: 'user' });
    return exitCode;
  } catch (error) {
    const exitCode = reportError(error);
    if (isJson) {
      const object = exitCode === 0 ? toldObject(error, told) : errorObject(error, exitCode);
      process.stdout.write(`${JSON.stringify(object)}\n`);
    }
    return exitCode;
  }
};

/** Whether or not the rest of the command line can be understood. */
const asksForJson = (args: readonly string[]): boolean => {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes('--json');
};

interface Answer {
  readonly text: string;
  readonly object: object;
}

/** What no command of the table answers: the long version, and what `help` says of a topic. */
const answerBeforeCommands = async (args: readonly string[]): Promise<Answer | undefined> => {
  const words = args.filter((word) => word !== '--json');
  const [first, second] = words;
  if (words.length === 2 && words.includes('--verbose') && (words.includes('--version') || words.includes('-V'))) {
    const details = (await import('./manual/versions.ts')).versionDetails();
    const { isocket: version, ...others } = details;
    return {
      text: `${rows(Object.entries(details)).replaceAll(/^ {2}/gm, '')}\n`,
      object: { type: 'version', version, ...others },
    };
  }
  const topic = first === 'help' && words.length === 2 ? TOPICS.find(({ name }) => name === second) : undefined;
  return topic && { text: topicText(topic), object: { type: 'help', text: topicText(topic) } };
};

/**
 * What commander is given. A command that is named and not there, alone: with `--help` or after `help` it would print the help of them all. And
 * `help help`, which it takes for an error.
 */
const meantBy = (program: Command, args: readonly string[]): readonly string[] => {
  const { operands } = program.parseOptions([...args]);
  const [first, second] = operands;
  if (first === 'help' && second === 'help') return ['--help'];
  const named = first === 'help' ? second : first;
  const isKnown = named === undefined || named === 'help' || program.commands.some((one) => one.name() === named);
  return isKnown ? args : [named];
};

/** What `--json` prints of --version and --help. */
const toldObject = (error: unknown, text: string): object =>
  error instanceof CommanderError && error.code === 'commander.version'
    ? { type: 'version', version: text.trim() }
    : { type: 'help', text };

/** What `--json` prints of an error, as its last line. */
const errorObject = (error: unknown, exitCode: number): object => ({
  type: 'error',
  exitCode,
  message: messageOf(error),
  ...(error instanceof UserError || error instanceof TransportError ? { hint: error.hint } : {}),
  ...(error instanceof ConfigError ? { problems: error.problems } : {}),
});

const messageOf = (error: unknown): string =>
  error instanceof CommanderError && error.code === 'commander.help'
    ? 'no command is named: isocket --help lists them'
    : errorMessage(error).replace(/^error: /, '');

/** @param writeOut takes what --help and --version print; undefined: stdout does */
const createProgram = (end: (exitCode: number) => void, writeOut: ((text: string) => void) | undefined): Command => {
  const program = new Command('isocket')
    .description('Ships the files that a program keeps producing to another host: once, whole, provably.')
    .version(readVersion())
    .exitOverride()
    .configureOutput(writeOut === undefined ? {} : { writeOut })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', AFTER_HELP)
    .showHelpAfterError('(isocket --help lists the commands, isocket COMMAND --help its options)');
  for (const [flags, text] of COMMON_OPTIONS) program.option(flags, text);
  for (const definition of COMMANDS) addCommand(program, definition, end);
  return program;
};

const addCommand = (
  program: Command,
  { usage, group, description, options = [], sections = [], examples = [], run: runCommand }: CommandDefinition,
  end: (exitCode: number) => void,
): void => {
  const command = program.command(usage).description(description).helpGroup(`${group}:`);
  for (const [flags, text, presence] of options) {
    if (presence === 'required') command.requiredOption(flags, text);
    else command.option(flags, text);
  }
  for (const { title, rows: all } of sections) command.addHelpText('after', `\n${title}:\n${shown(all)}`);
  if (examples.length > 0) command.addHelpText('after', `\nExamples:\n${shown(examples)}`);
  command.action(async () => end(await runCommand(command)));
};

const rows = (all: readonly (readonly [left: string, right: string])[]): string => {
  const width = Math.max(...all.map(([left]) => left.length));
  return all.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
};

/** A command is as long as it is: what it does is below it. */
const shown = (examples: readonly (readonly [command: string, does: string])[]): string =>
  examples.map(([command, does]) => `  ${command}\n      ${does}`).join('\n');

const AFTER_HELP = `\nTopics (isocket help TOPIC):\n${rows(TOPICS.map(({ name, summary }) => [name, summary]))}\n\nEnvironment:\n${rows(ENVIRONMENT)}\n\nExit codes:\n${rows(EXIT_CODES)}`;

const MOST_CAUSES = 3;

const describeFailure = (message: string, hint: string | undefined): string =>
  `isocket: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`;

/** Each line for the journal is an error to it. */
const printError = (text: string): void => {
  const journal = isJournal(process.stderr.fd, process.env.JOURNAL_STREAM);
  process.stderr.write(wrapFor(process.stderr, withPriority(showLines(text), 'error', journal)));
};

/** Prints an error on stderr; returns its exit code. */
const reportError = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // Commander has printed it.
  if (error instanceof UserError || error instanceof TransportError) {
    printError(describeFailure(error.message, error.hint));
    return error instanceof UserError ? error.exitCode : 3;
  }
  if (isHostFailure(error)) {
    const causes: unknown[] = error instanceof AggregateError ? error.errors : [error];
    for (const cause of causes.slice(0, MOST_CAUSES))
      printError(describeFailure(`Cannot go on: ${errorMessage(cause)}`, knownCureOf(cause)));
    return 3;
  }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : errorMessage(error);
  printError(`isocket: this is a defect of isocket, please report it:\n${stack}\n`);
  return 1;
};
