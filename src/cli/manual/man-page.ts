import { ENVIRONMENT, EXIT_CODES, TOPICS } from './topics.ts';
import { COMMANDS, COMMON_OPTIONS, type CommandDefinition } from '../command-table.ts';

/** Text in the language of man(7): a minus that can be copied, no escape, no line that begins like a request. */
const plain = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^(?=[.'])/gm, '\\&');

const paragraphs = (rows: readonly (readonly [what: string, means: string, presence?: 'required'])[]): string[] =>
  rows.flatMap(([what, means, presence]) => [
    '.TP',
    `.B ${plain(what)}`,
    plain(presence === undefined ? means : `${means} (must be given)`),
  ]);

const commandSection = ({
  usage,
  description,
  options = [],
  sections = [],
  examples = [],
}: CommandDefinition): string[] => [
  `.SS ${plain(usage)}`,
  plain(sentence(description)),
  ...paragraphs(options),
  ...sections.flatMap(({ title, rows }) => ['.PP', `${plain(title)}:`, ...paragraphs(rows)]),
  ...examples.flatMap(([command, does]) => [
    '.PP',
    plain(sentence(does).replace(/\.$/, ':')),
    '.PP',
    '.nf',
    `.RS 4`,
    plain(command),
    '.RE',
    '.fi',
  ]),
];

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;

const FILES = [
  ['.isocketrc, .isocketrc.yaml, .isocketrc.yml, .isocketrc.json', 'the configuration, here or in a folder above'],
  ['~/.config/isocket/, /etc/isocket/', 'where it is looked for then'],
  ['/var/lib/isocket/SITE, ~/.local/state/isocket/SITE', 'the record of what each destination has confirmed'],
  ['finished.parse', 'written by the parser: nothing more comes into this directory'],
  ['finished.watch', 'written by isocket: every file of this directory is at every destination'],
] as const;

/** The others have sections that every man page has. */
const IN_MAN_PAGE: ReadonlySet<string> = new Set(['marks', 'directories']);

/** isocket(1), from what --help is made of. */
export const manPage = (version: string): string =>
  [
    `.TH ISOCKET 1 "" "isocket ${version}" "User Commands"`,
    '.SH NAME',
    'isocket \\- ships the files that a program keeps producing to another host: once, whole, provably',
    '.SH SYNOPSIS',
    '.B isocket',
    '[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...',
    '.SH DESCRIPTION',
    plain(
      'A program, the parser, fills directories under a root and closes each with finished.parse. isocket sends every file to one or more destinations, sets g+w on a file when all of them have confirmed it, and writes finished.watch when all of the directory is there. Nothing half is seen under a final name.',
    ),
    '.SH OPTIONS',
    ...paragraphs([
      ...COMMON_OPTIONS,
      ['-h, --help', 'what a command takes'],
      ['-V, --version', 'the version; with --verbose, what else a report of a fault needs'],
    ]),
    ...[...Map.groupBy(COMMANDS, ({ group }) => group)].flatMap(([group, commands]) => [
      `.SH ${group.toUpperCase()}`,
      ...commands.flatMap(commandSection),
    ]),
    ...TOPICS.filter(({ name }) => IN_MAN_PAGE.has(name)).flatMap(({ name, text, rows }) => [
      `.SH ${name.toUpperCase()}`,
      plain(text),
      ...paragraphs(rows),
    ]),
    '.SH EXIT STATUS',
    ...paragraphs(EXIT_CODES),
    '.SH ENVIRONMENT',
    ...paragraphs(ENVIRONMENT),
    '.SH FILES',
    ...paragraphs(FILES),
    '.SH SEE ALSO',
    '.BR rsync (1),',
    '.BR sftp (1),',
    '.BR sshd (8)',
    '',
  ].join('\n');
