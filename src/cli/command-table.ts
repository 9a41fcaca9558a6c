import type { Command } from 'commander';
import { RECEIVE_HELP, type HelpSection } from './receive-help.ts';

export type Option = readonly [flags: string, description: string, presence?: 'required'];

/** Of every command. */
export const COMMON_OPTIONS: readonly Option[] = [
  ['--config <file>', 'the configuration (default: .isocketrc here or above, ~/.config/isocket, /etc/isocket)'],
  ['--json', 'one JSON object a line on stdout, nothing else there'],
  ['--verbose', 'print more: every file, and which configuration is used'],
  ['--quiet', 'print nothing but errors'],
];

/** One command of isocket, as the command line and its help show it. */
export interface CommandDefinition {
  /** Name and arguments: "send [files...]". */
  readonly usage: string;
  readonly group: 'Set up' | 'Run' | 'Look' | 'Repair' | 'Far end';
  readonly description: string;
  /** Flags and description of each option; "required" makes commander refuse a call without it. */
  readonly options?: readonly Option[];
  /** What else there is to know, below its options. */
  readonly sections?: readonly HelpSection[];
  /** What one types, and what it does. */
  readonly examples?: readonly (readonly [command: string, does: string])[];
  /** Takes the parsed command line; resolves with the exit code. Imports the command when it is called: --version and an idle scan must not load ssh. */
  readonly run: (parsed: Command) => Promise<number>;
}

const FROM: Option = [
  '--from <destination>',
  'one of several destinations: its number, its name in messages, or a part of that which is no number',
];
/** How `site-path.ts` reads what is named. */
const PATHS = 'What you name is a path from here if it leads below the root, else one from the root.';

export const COMMANDS: readonly CommandDefinition[] = [
  {
    usage: 'init',
    group: 'Set up',
    description: 'write a commented .isocketrc here, asking for what is not given; never overwrites',
    options: [
      ['--site <name>', 'the name of the site'],
      ['--root <dir>', 'the folder under which the parser makes its directories'],
      ['--tag <text>', 'the beginning of their names'],
      ['--transport <name>', 'how files get there'],
      ['--remote <remote>', 'a remote of rclone.conf, such as s3:bucket; with --transport rclone'],
      ['--host <name>', 'the destination'],
      ['--port <number>', 'its SSH port'],
      ['--user <name>', 'the user there'],
      ['--path <dir>', 'the folder there'],
      ['--identity-file <file>', 'the private key'],
      ['--known-hosts <file>', 'the file of host keys'],
      ['--make-key', 'create the key where there is none'],
      ['--accept-host-key <fingerprint>', 'trust the host if its key has this fingerprint (SHA256:…)'],
      ['--yes', 'ask nothing: use the defaults for what is not given'],
    ],
    examples: [
      [
        'isocket init --site ED1 --root /datas --host drms.example.org --path /backup/ED1 --make-key --yes',
        'without a question',
      ],
    ],
    run: async (parsed) => (await import('./commands/init.ts')).init(parsed.optsWithGlobals()),
  },
  {
    usage: 'check',
    group: 'Set up',
    description: 'check everything before a file is sent: one line each, with the fix',
    options: [
      [
        '--notify',
        'give a test alert to hooks.alert and hooks.ping instead, and print what came back; exit code 2: failed',
      ],
    ],
    examples: [['isocket check --notify', 'a test alert']],
    run: async (parsed) => (await import('./commands/check.ts')).check(parsed.optsWithGlobals()),
  },
  {
    usage: 'demo',
    group: 'Set up',
    description: 'the main job, live, on an embedded receiver in a temporary folder; needs no configuration',
    options: [['--keep', 'keep the temporary folder']],
    run: async (parsed) => (await import('./commands/demo.ts')).demo(parsed.optsWithGlobals()),
  },
  {
    usage: 'scan [dirs...]',
    group: 'Run',
    description: `one pass over the site, or over the directories named, then exit: for cron. ${PATHS}`,
    options: [['--dry-run', 'list what would be sent, and what is held back and why; send nothing']],
    examples: [
      ['isocket scan --dry-run', 'what would be sent, and what is held back'],
      ['isocket --config /etc/isocket/ED1/.isocketrc scan', 'as cron runs it'],
    ],
    run: async (parsed) => (await import('./commands/scan.ts')).scan(parsed.optsWithGlobals(), parsed.args),
  },
  {
    usage: 'daemon',
    group: 'Run',
    description:
      'run until SIGTERM or SIGINT: send files as they are closed; SIGHUP lists everything again, and says if the configuration was changed: to use it takes a restart',
    run: async (parsed) => (await import('./commands/daemon.ts')).daemon(parsed.optsWithGlobals()),
  },
  {
    usage: 'watch <dir>',
    group: 'Run',
    description: `name each file of one directory as it is complete, until finished.parse; sends nothing. ${PATHS}`,
    options: [['-0, --null', 'end each name with NUL, for: isocket send -0 -']],
    examples: [['isocket watch DC12 -0 | isocket send -0 -', 'the two roles of a daemon, apart']],
    run: async (parsed) => (await import('./commands/watch.ts')).watch(parsed.args[0] ?? '', parsed.optsWithGlobals()),
  },
  {
    usage: 'send [files...]',
    group: 'Run',
    description: `deliver and mark the files named. ${PATHS}`,
    options: [['-0, --null', 'with "-" as the only file: read NUL-separated names from stdin']],
    examples: [['isocket send DC12/file', 'one file, now']],
    run: async (parsed) => (await import('./commands/send.ts')).send(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'status [dirs...]',
    group: 'Look',
    description: `what is on disk, daemon or not: each directory, or those named, its files, what is sent, what is held and why. ${PATHS}`,
    options: [
      ['--watch', 'redraw it continuously'],
      [
        '--check',
        'one line and the exit code of a plug-in for Nagios and Icinga: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN',
      ],
      [
        '--warn <duration>',
        'with --check: WARNING where a file has been unsent so long (default: alerts.unsent; --crit, if shorter)',
      ],
      ['--crit <duration>', 'with --check: CRITICAL where a file has been unsent so long (default: 1d)'],
    ],
    examples: [
      ['isocket status --watch', 'redrawn until it is interrupted'],
      ['isocket status --check --crit 6h', 'for Nagios'],
    ],
    run: async (parsed) => (await import('./commands/status.ts')).status(parsed.optsWithGlobals(), parsed.args),
  },
  {
    usage: 'list [dir]',
    group: 'Look',
    description: 'what is at a destination: its directories, or the files of one with size and time',
    options: [FROM],
    examples: [
      ['isocket list', 'the directories that are there'],
      ['isocket list DC12', 'its files'],
    ],
    run: async (parsed) => (await import('./commands/list.ts')).list(parsed.args[0], parsed.optsWithGlobals()),
  },
  {
    usage: 'verify [dirs...]',
    group: 'Look',
    description: `compare source and destination: size and mtime, or content. ${PATHS}`,
    options: [
      ['--checksum', 'compare content'],
      ['--repair', 'unmark what is missing or different, and send it again'],
    ],
    examples: [['isocket verify DC12 --checksum', 'read both ends, and compare content']],
    run: async (parsed) => (await import('./commands/verify.ts')).verify(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'reset <dirs...>',
    group: 'Repair',
    description: `remove the marks and finished.watch, so that the directories are sent again. ${PATHS}`,
    examples: [['isocket reset DC12', 'send it again from the beginning']],
    run: async (parsed) => (await import('./commands/reset.ts')).reset(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'prune',
    group: 'Repair',
    description:
      'delete finished directories here, each compared by content with every destination first; never the newest',
    options: [
      ['--older-than <duration>', 'finished at least so long ago, such as 30d', 'required'],
      ['--until-free <percent>', 'stop when so much of the disk is free, such as 20%'],
      ['--quick', 'compare size and mtime only, not content'],
      ['--dry-run', 'verify and print what would be deleted; delete nothing'],
    ],
    examples: [
      ['isocket prune --older-than 30d --dry-run', 'what could be deleted here'],
      ['isocket prune --older-than 30d', 'compare by content, then delete'],
    ],
    run: async (parsed) => (await import('./commands/prune.ts')).runPrune(parsed.optsWithGlobals()),
  },
  {
    usage: 'restore <dirs...>',
    group: 'Repair',
    description: `bring directories back from a destination, into source.root or to another folder: each file whole, and never over one that differs. ${PATHS}`,
    options: [
      ['--to <folder>', 'bring them back to this folder, without the mark; nothing of the site is changed'],
      FROM,
      ['--overwrite', 'replace files that differ here'],
      ['--dry-run', 'print what would be brought back; write nothing'],
    ],
    examples: [
      ['isocket restore DC12 --to /tmp/look', 'beside the site'],
      ['isocket restore DC12', 'into source.root, as a finished directory'],
    ],
    run: async (parsed) => (await import('./commands/restore.ts')).restore(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'fill <destination> [dirs...]',
    group: 'Repair',
    description: `bring to one destination what the others have and it lacks, of all directories or of those named; with the daemon stopped. ${PATHS}`,
    options: [
      ['--checksum', 'compare what is there by content; without names, all directories'],
      ['--dry-run', 'ask the destination, and print what would be sent; send nothing'],
    ],
    examples: [
      ['isocket fill 2', 'all directories that the second destination lacks'],
      ['isocket fill backup.example.org DC12 --dry-run', 'what it lacks of one'],
    ],
    run: async (parsed) => (await import('./commands/fill.ts')).runFill(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'receive',
    group: 'Far end',
    description: 'run our own receiver: an SFTP-only SSH server confined to one folder',
    options: [
      ['--root <dir>', 'the folder that clients see as /'],
      ['--listen <host:port>', 'where to listen'],
      ['--authorized-keys <file>', 'the public keys that may log in'],
      ['--host-key <file...>', 'the private host key, created on first start; again for a key of another kind'],
      ['--append-only', 'clients add files; they cannot change, rename or remove complete ones'],
      ['--keep-versions', 'with --append-only: take changed files, and keep the old ones as name.~1~, name.~2~ …'],
      ['--atomic-puts', 'a new file has a temporary name until its client closes it'],
      ['--status-listen <host:port>', 'answer there: /metrics for Prometheus, /healthz, /status.json'],
      ['--status-textfile <file>', 'write the metrics there, for the textfile collector of a node exporter'],
      ['--allow-root', 'run as root; a user of its own is safer'],
    ],
    sections: RECEIVE_HELP,
    examples: [
      [
        'isocket receive --root /backup --listen 0.0.0.0:2222 --authorized-keys keys --append-only',
        'a receiver that a stolen key cannot empty',
      ],
    ],
    run: async (parsed) => (await import('./commands/receive.ts')).runReceive(parsed.optsWithGlobals()),
  },
];
