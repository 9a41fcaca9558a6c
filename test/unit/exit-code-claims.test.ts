import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { EXIT_CODES } from '../../src/cli/manual/topics.ts';
import { readDocuments, ROOT } from '../support/documents.ts';

// What the documents and --help say of exit codes, and who tries it. What is not in this table fails here: try it, and add it.
// README.zh-TW.md says what README.md says (readme.test.ts), the man page what --help says; CHANGELOG.md tells what was.

const IN_WORDS = /\bexit(?:s|ed)? (?:codes?\b|status\b|(?:with )?\d)|\bend(?:s|ed) (?:\S+ ){0,3}with \d/i;
/** Below a heading, or in a table, of exit codes. */
const IN_LIST = /^\| \d|\b\d+: /;

type Claim = readonly [says: string, ...triedBy: string[]];

const UNSENT = 'scenario/exit-codes: 3: files are left unsent';
const NOT_AS_IT_SHOULD = 'scenario/exit-codes: 3: something is not as it should be';
const OPEN_OR_CLOSED = 'scenario/exit-codes: 0: a file of an open directory is still being written; 3: of a closed one';
const DONE = 'scenario/exit-codes: 0: done, whatever was skipped';
const LATE = 'scenario/exit-codes: 0: a directory is late';
const FINISHED_WITHOUT = 'scenario/exit-codes: 0: a directory is finished without a destination of today';
const STATUS_RESERVED =
  'scenario/exit-codes: 0: of status, a reserved name in an open directory, and files that wait there; 3: of a closed one';
const NO_ROOT = 'scenario/status: reports a missing root';
const DEFECT = 'scenario/exit-codes: 1: a defect of isocket, with its stack';
const USAGE = 'scenario/exit-codes: 2: usage, and the configuration';
const STOPPED = 'scenario/exit-codes: 130, 143: stopped by %s';
const ANOTHER = 'scenario/bad-input: says in one line that another isocket works on the root: exit 4';
const FILL =
  'scenario/fill: beside a daemon, without another destination, or with one that is not there it says what to do';
const BEST_EFFORT =
  'scenario/fill: nothing waits for a best-effort destination: scan finishes without it, and fills it when it is back';
const PLUG_IN = 'scenario/named: is a plug-in for Nagios: one line, figures, and its exit codes';
const UNKNOWN = 'scenario/named: what it cannot know is UNKNOWN';
const NOTIFY_FAILED = 'scenario/check-notify: exit code 2 where one of them fails, with the reason of each';
const CRON =
  'scenario/install: the cron line does the main job on a host without rsync, ssh and inotifywait, from / and from $HOME';
const RESTORE_DIFFERENT =
  'scenario/restore-odd: a file that differs keeps the directory as it is, and is named; --overwrite takes the one there, and nothing is sent';

// prettier-ignore
const CLAIMS: Readonly<Record<string, readonly Claim[]>> = {
  'README.md': [
    ['ends with 3 where it prints a `PROBLEM` ([which](docs/operations.md#what-is-a-problem)), with 2 where the root cannot be read. Files that wait, late directories and `FINISHED WITHOUT` are told, and do not change it', UNSENT, NO_ROOT, STATUS_RESERVED, LATE, FINISHED_WITHOUT],
    ['| 0 | done |', DONE, LATE],
    ['| 1 | a defect of isocket |', DEFECT],
    ['| 2 | usage or configuration |', USAGE],
    ['| 3 | files left unsent (in a closed directory every unsent file, whatever the reason); of `status` a problem; of `verify`, `prune`, `restore` and `fill` something that is not as it should be |', UNSENT, OPEN_OR_CLOSED, NOT_AS_IT_SHOULD, FILL],
    ['| 4 | another isocket works on this root |', ANOTHER],
    ['| 130, 143 | stopped by SIGINT, SIGTERM |', STOPPED],
    ['do not change the exit code', DONE, LATE],
  ],
  'isocket --help': [
    ['| 0 | done |', DONE, LATE],
    ['| 1 | a defect of isocket |', DEFECT],
    ['| 2 | usage or configuration |', USAGE],
    ['| 3 | files left unsent; of status: a problem; of prune, verify, restore, fill: not all is as it should be |', UNSENT, NOT_AS_IT_SHOULD, FILL],
    ['| 4 | another isocket works on this root |', ANOTHER],
    ['| 130, 143 | stopped by SIGINT, SIGTERM |', STOPPED],
    ['exit code 2: failed', NOTIFY_FAILED],
    ['the exit code of a plug-in for Nagios and Icinga: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN', PLUG_IN, UNKNOWN],
  ],
  'docs/being-told.md': [
    ['one line, figures, and the exit codes of plug-ins', PLUG_IN],
    ['| 0 OK |', PLUG_IN],
    ['| 1 WARNING | a file has been unsent for `--warn`', PLUG_IN, 'scenario/broken-sites: a daemon that is dead'],
    ['| 2 CRITICAL | a file has been unsent for `--crit` (default: a day), or the root cannot be read |', PLUG_IN],
    ['| 3 UNKNOWN | the configuration or an option cannot be used (`--warn` that is longer than `--crit`) |', UNKNOWN],
    ['Exit code 0: both took it, 2: one did not, or neither is set', NOTIFY_FAILED, 'scenario/check-notify: gives one test alert and pings a failure, and says what came back', 'scenario/check-notify: exit code 2 where nobody would be told, and where the command would not be obeyed'],
    ['`URL` when it ends with exit code 0, `URL/fail` otherwise', 'scenario/hooks: tells once that a destination is down, and once that it is not, over several scans'],
    ['Beside another isocket (exit code 4)', 'scenario/hooks: that cannot begin pings a failure; one beside another isocket does not ping'],
  ],
  'docs/contract.md': [
    ['never exit code 3', BEST_EFFORT],
    ['refuses another with exit 2 and the cure', 'scenario/proof-sites: refuses a state folder of another root, with the fix', 'scenario/told-late: is refused by status and check with the fix'],
    ['| 0 | done, nothing left unsent that could be sent (files of an open directory that are still being written do not count; in a closed directory every unsent file counts) |', DONE, OPEN_OR_CLOSED],
    ['| 1 | a defect of ours, with a stack |', DEFECT],
    ['| 2 | usage or configuration: says file, key, value, what is expected |', USAGE, 'scenario/bad-input: configuration: exit 2'],
    ['| 3 | files left unsent: the destination could not be reached or refused, or some files failed; of `status` a problem; of `prune`, `verify`, `restore` and `fill` something that is not as it should be |', UNSENT, 'scenario/bad-input: destination: exit 3, nothing lost', 'scenario/bad-input: that cannot be marked: it is not sent in vain, the others are', NOT_AS_IT_SHOULD, FILL],
    ['| 4 | another isocket already works on this root (cron beside the daemon): one line, nothing done |', ANOTHER],
    ['| 130, 143 | stopped by SIGINT, SIGTERM after an orderly end |', STOPPED, 'scenario/stopped: SIGTERM interrupts an rsync with a big file; the next run goes on with what is there'],
    ['anything missing or different and not repaired is exit 3', 'scenario/audit: tells what is missing and different, and repairs it'],
    ['a second one ends at once. Exit code 143 or 130', 'scenario/exit-codes: 130, 143: a receiver is stopped by %s', 'contract/receiver-process: a second one ends it at once'],
  ],
  'docs/directories.md': [
    ['a closed one ends `scan` with exit code 3', 'scenario/told-skipped: keeps its directory unfinished: %s'],
    ['never exit code 3', BEST_EFFORT],
  ],
  'docs/faults.md': [
    ['the run ended with 0. Now the files are left unmarked and counted as failed, exit 3', 'fault/liar: about one file, always: it is never finished, nor left marked', UNSENT],
    [
      'be created is exit 3',
      'fault/disk: the disk with the state is full: nothing is wrongly marked, and the next run goes on',
    ],
    ['the run ended with 0 and no message. Now that is reported, and is exit 3', 'fault/disk: the disk of the source is full: all is sent and marked, and finished when there is room'],
  ],
  'docs/installing.md': [
    ['Exit code 0, 2 (something is wrong at the source) or 3 (at the destination)', 'scenario/check: says that a destination.path is not there, tries it all the same, and leaves it as it was', 'scenario/check: reports a missing root, and checks the rest', 'scenario/check: prints one line for each check, and the fix below it'],
  ],
  'docs/json.md': [
    ['The exit code is the same as without `--json`', UNSENT, 'unit/cli/program: an error with --json is an object on stdout too'],
    ['the exit code is 0, 1, 2, 3', PLUG_IN, UNKNOWN],
    ['The exit code is 3 unless `problems` is empty', UNSENT, 'scenario/status: shows what failed in the last run, and ends with 3'],
  ],
  'docs/operations.md': [
    ['`isocket status` ends with 3 where it prints a `PROBLEM`, and `status --check` is a WARNING', UNSENT, STATUS_RESERVED, PLUG_IN],
    ['`status` ends with 2, and `status --check` is CRITICAL', NO_ROOT, PLUG_IN],
    ['No reason for exit code 3', FINISHED_WITHOUT],
    ['0: all is sent.', DONE],
    [
      '3: something is not; the next run goes on.',
      UNSENT,
      'fault/line: refused for a while: exit 3, and the next run goes on',
    ],
    ['4: another isocket works on the root, as a scan beside a daemon does: the cron line of `install.sh` mails nothing for it.', ANOTHER, CRON],
    ['2: the configuration, or who runs it: a person must act.', USAGE, CRON],
  ],
  'docs/receiver.md': [
    ['`chown`: "Permission denied", exit 1 in a batch (`-chown` goes on)', 'contract/receiver-clients: sftp says that a chown is refused, and ends with 1 or goes on as it is told; scp -p keeps times'],
    ['curl ends with 21', 'contract/receiver-clients: puts, replaces, makes folders, gets, renames; a chown fails'],
    ['"takes SFTP only", exit 1', 'contract/receiver-process: ssh, scp -O and rsync end with "SFTP only" and exit 1, and sftp goes on'],
  ],
  'docs/restoring.md': [
    ['one that differs stays too, is named, and ends the command with 3', RESTORE_DIFFERENT],
    ['does not come back, is named, and ends the command with 3', 'scenario/restore-odd: a damaged copy does not come back to be sent over the good one, and what another destination alone has is named'],
    ['While another isocket works on the root (the daemon) it is exit 4', 'scenario/restore-odd: beside a daemon: not into the root, but to another folder; and without any root'],
  ],
  'docs/servers.md': [['Either way `scan` ends with 3', 'scenario/servers: $name']],
  'docs/writing-a-transport.md': [
    ['A module that lacks a member is refused with exit code 2', 'contract/folder-transport: isocket %s names what a transport lacks'],
  ],
  'ARCHITECTURE.md': [
    ['its exit code (3: files left unsent; a command ends with it too when a run leaves files)', UNSENT],
  ],
};

/** They name exit codes, and claim nothing of those of isocket. */
const NO_CLAIMS: Readonly<Record<string, readonly string[]>> = {
  'docs/contract.md': ['Names, keys, exit codes and rules here are fixed'],
  'docs/durability.md': ['exit 0 means renamed'], // Of rsync.
  'ARCHITECTURE.md': ['arguments → command → exit code'],
};

/** What `isocket --help` and that of each command says, as a document. */
const help = (): string => {
  const rows = EXIT_CODES.map(([code, means]) => `| ${code} | ${means} |`);
  const words = COMMANDS.flatMap(({ description, options = [], sections = [], examples = [] }) => [
    description,
    ...[...options, ...examples, ...sections.flatMap((one) => one.rows)].map(([, text]) => text),
  ]);
  return ['# Commands', ...words, '# Exit codes', ...rows].join('\n');
};

const documents = [
  ...readDocuments().filter(({ path }) => !['README.zh-TW.md', 'CHANGELOG.md'].includes(path)),
  { path: 'isocket --help', text: help() },
];

/** The lines of a document that may say what a command ends with. */
const linesWithClaims = (text: string, known: readonly string[]): string[] => {
  let [isInSection, isInTable] = [false, false];
  return text.split('\n').filter((line) => {
    if (line.startsWith('#')) isInSection = /exit code/i.test(line);
    isInTable = line.startsWith('|') && (isInTable || /^\| exit code/i.test(line));
    if (line.startsWith('#') || /^\| exit code/i.test(line)) return false;
    const rest = known.reduce((left, says) => left.replaceAll(says, '…'), line);
    return IN_WORDS.test(rest) || ((isInSection || isInTable) && IN_LIST.test(rest));
  });
};

describe('each claim on an exit code', () => {
  it.each(documents)('of $path is tried', ({ path, text }) => {
    const known = [...(CLAIMS[path] ?? []).map(([says]) => says), ...(NO_CLAIMS[path] ?? [])];
    expect(linesWithClaims(text, known)).toEqual([]);
    expect(known.filter((says) => !text.includes(says))).toEqual([]);
  });

  it('is seen', () => {
    const found = documents.flatMap(({ text }) => linesWithClaims(text, []));
    expect(found.length).toBeGreaterThan(50);
  });

  it('is tried by a test that is there', () => {
    const missing = Object.values(CLAIMS)
      .flat()
      .flatMap(([says, ...triedBy]) => (triedBy.length === 0 ? [says] : triedBy.filter((test) => !isThere(test))));
    expect(missing).toEqual([]);
  });

  it('is of a document that is there', () => {
    const paths = documents.map(({ path }) => path);
    expect([...Object.keys(CLAIMS), ...Object.keys(NO_CLAIMS)].filter((path) => !paths.includes(path))).toEqual([]);
  });
});

/** "scenario/check: its title" */
const isThere = (test: string): boolean => {
  const [file = ''] = test.split(': ', 1);
  const path = [`${ROOT}test/${file}.test.ts`, `${ROOT}test/${file}.ts`].find((one) => existsSync(one));
  const title = test.slice(file.length + 2);
  return path !== undefined && [`'${title}'`, `"${title}"`].some((one) => readFileSync(path, 'utf8').includes(one));
};
