import type { Command } from 'commander';

/** One command of isocket, as the command line and its help show it. */
export interface CommandDefinition {
  /** Name and arguments: "send [files...]". */
  readonly usage: string;
  readonly description: string;
  /** Flags and description of each option; "required" makes commander refuse a call without it. */
  readonly options?: readonly (readonly [flags: string, description: string, presence?: 'required'])[];
  /** Takes the parsed command line; resolves with the exit code. Imports the command when it is called: --version and an idle scan must not load ssh. */
  readonly run: (parsed: Command) => Promise<number>;
}

/** How `site-path.ts` reads what is named. */
const PATHS = 'What you name is a path from here if it leads below the root, else one from the root.';

export const COMMANDS: readonly CommandDefinition[] = [
  {
    usage: 'scan [dirs...]',
    description: `one pass over the site, or over the directories named, then exit: for cron. ${PATHS}`,
    options: [['--dry-run', 'list what would be sent, and what is held back and why; send nothing']],
    run: async (parsed) => (await import('./commands/scan.ts')).scan(parsed.optsWithGlobals(), parsed.args),
  },
  {
    usage: 'daemon',
    description:
      'run until SIGTERM or SIGINT: send files as they are closed; SIGHUP lists everything again, and says if the configuration was changed: to use it takes a restart',
    run: async (parsed) => (await import('./commands/daemon.ts')).daemon(parsed.optsWithGlobals()),
  },
  {
    usage: 'watch <dir>',
    description: `name each file of one directory as it is complete, until finished.parse; sends nothing. ${PATHS}`,
    options: [['-0, --null', 'end each name with NUL, for: isocket send -0 -']],
    run: async (parsed) => (await import('./commands/watch.ts')).watch(parsed.args[0] ?? '', parsed.optsWithGlobals()),
  },
  {
    usage: 'send [files...]',
    description: `deliver and mark the files named. ${PATHS}`,
    options: [['-0, --null', 'with "-" as the only file: read NUL-separated names from stdin']],
    run: async (parsed) => (await import('./commands/send.ts')).send(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'status [dirs...]',
    description: `what is on disk, daemon or not: each directory, or those named, its files, what is sent, what is held and why. ${PATHS}`,
    options: [
      ['--watch', 'redraw it continuously'],
      [
        '--check',
        'one line and the exit code of a plug-in for Nagios and Icinga: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN',
      ],
      ['--warn <duration>', 'with --check: WARNING where a file has been unsent so long (default: alerts.unsent)'],
      ['--crit <duration>', 'with --check: CRITICAL where a file has been unsent so long (default: 1d)'],
    ],
    run: async (parsed) => (await import('./commands/status.ts')).status(parsed.optsWithGlobals(), parsed.args),
  },
  {
    usage: 'verify [dirs...]',
    description: `compare source and destination: size and mtime, or content. ${PATHS}`,
    options: [
      ['--checksum', 'compare content'],
      ['--repair', 'unmark what is missing or different, and send it again'],
    ],
    run: async (parsed) => (await import('./commands/verify.ts')).verify(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'reset <dirs...>',
    description: `remove the marks and finished.watch, so that the directories are sent again. ${PATHS}`,
    run: async (parsed) => (await import('./commands/reset.ts')).reset(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'prune',
    description:
      'delete finished directories here, each compared by content with every destination first; never the newest',
    options: [
      ['--older-than <duration>', 'finished at least so long ago, such as 30d', 'required'],
      ['--until-free <percent>', 'stop when so much of the disk is free, such as 20%'],
      ['--quick', 'compare size and mtime only, not content'],
      ['--dry-run', 'verify and print what would be deleted; delete nothing'],
    ],
    run: async (parsed) => (await import('./commands/prune.ts')).runPrune(parsed.optsWithGlobals()),
  },
  {
    usage: 'receive',
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
    run: async (parsed) => (await import('./commands/receive.ts')).runReceive(parsed.optsWithGlobals()),
  },
  {
    usage: 'demo',
    description: 'the main job, live, on an embedded receiver in a temporary folder; needs no configuration',
    options: [['--keep', 'keep the temporary folder']],
    run: async (parsed) => (await import('./commands/demo.ts')).demo(parsed.optsWithGlobals()),
  },
  {
    usage: 'restore <dirs...>',
    description: `bring directories back from a destination, into source.root or to another folder: each file whole, and never over one that differs. ${PATHS}`,
    options: [
      ['--to <folder>', 'bring them back to this folder, without the mark; nothing of the site is changed'],
      ['--from <destination>', 'one of several destinations: its number, its name in messages, or a part of that'],
      ['--overwrite', 'replace files that differ here'],
      ['--dry-run', 'print what would be brought back; write nothing'],
    ],
    run: async (parsed) => (await import('./commands/restore.ts')).restore(parsed.args, parsed.optsWithGlobals()),
  },
  {
    usage: 'list [dir]',
    description: 'what is at a destination: its directories, or the files of one with size and time',
    options: [
      ['--from <destination>', 'one of several destinations: its number, its name in messages, or a part of that'],
    ],
    run: async (parsed) => (await import('./commands/list.ts')).list(parsed.args[0], parsed.optsWithGlobals()),
  },
  {
    usage: 'check',
    description: 'check everything before a file is sent: one line each, with the fix',
    options: [
      [
        '--notify',
        'give a test alert to hooks.alert and hooks.ping instead, and print what came back; exit code 2: failed',
      ],
    ],
    run: async (parsed) => (await import('./commands/check.ts')).check(parsed.optsWithGlobals()),
  },
  {
    usage: 'init',
    description: 'write a commented .isocketrc here, asking for what is not given; never overwrites',
    options: [
      ['--site <name>', 'the name of the site'],
      ['--root <dir>', 'the folder under which the parser makes its directories'],
      ['--tag <text>', 'the beginning of their names'],
      ['--transport <name>', 'how files get there'],
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
    run: async (parsed) => (await import('./commands/init.ts')).init(parsed.optsWithGlobals()),
  },
];
