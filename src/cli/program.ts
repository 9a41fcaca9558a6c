import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { errorMessage, TransportError, UserError } from '../errors.ts';
import { packageFile } from '../package-file.ts';

/** Runs a command line (without the program's name). Resolves with the exit code of contract.md §5; never rejects. */
export const run = async (args: readonly string[]): Promise<number> => {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return tell(error);
  }
};

const createProgram = (end: (exitCode: number) => void): Command => {
  const program = new Command('isocket')
    .description('Ships the files that a program keeps producing to another host: once, whole, provably.')
    .version(readVersion())
    .option('--config <file>', 'the configuration (default: .isocketrc here or above, ~/.config/isocket, /etc/isocket)')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(isocket --help lists the commands, isocket COMMAND --help its options)');

  const command = (nameAndArguments: string, description: string): Command =>
    program
      .command(nameAndArguments)
      .description(description)
      .option('--json', 'one JSON object a line on stdout, nothing else there')
      .option('--verbose', 'say more: every file, and which configuration is used')
      .option('--quiet', 'say nothing but errors');

  // Each command is loaded when it is called: --version and an idle scan must not wait for ssh.
  command('scan', 'one pass over the site, then exit: for cron')
    .option('--dry-run', 'list what would be sent, and what is held back and why; send nothing')
    .action(async (_options, self: Command) => {
      const { scan } = await import('./commands/scan.ts');
      end(await scan(self.optsWithGlobals()));
    });
  command(
    'daemon',
    'runs until SIGTERM or SIGINT: files leave as they are closed; SIGHUP looks at everything again',
  ).action(async (_options, self: Command) => {
    const { daemon } = await import('./commands/daemon.ts');
    end(await daemon(self.optsWithGlobals()));
  });
  command('watch <dir>', 'names each file of one directory as it is complete, until finished.parse; sends nothing')
    .option('-0, --null', 'end each name with NUL, for: isocket send -0 -')
    .action(async (dir: string, _options, self: Command) => {
      const { watch } = await import('./commands/watch.ts');
      end(await watch(dir, self.optsWithGlobals()));
    });
  command('send [files...]', 'deliver and mark the files named')
    .option('-0, --null', 'with "-" as the only file: read NUL-separated names from stdin')
    .action(async (files: string[], _options, self: Command) => {
      const { send } = await import('./commands/send.ts');
      end(await send(files, self.optsWithGlobals()));
    });
  command('status', 'what is on disk, daemon or not: each directory, its files, what is sent, what is held and why')
    .option('--watch', 'draw it again and again')
    .action(async (_options, self: Command) => {
      const { status } = await import('./commands/status.ts');
      end(await status(self.optsWithGlobals()));
    });
  command('verify [dirs...]', 'compare source and destination: size and mtime, or content')
    .option('--checksum', 'compare content')
    .option('--repair', 'unmark what is missing or different, and send it again')
    .action(async (directories: string[], _options, self: Command) => {
      const { verify } = await import('./commands/verify.ts');
      end(await verify(directories, self.optsWithGlobals()));
    });
  command('reset <dirs...>', 'take the marks and finished.watch away, so that the directories are sent again').action(
    async (directories: string[], _options, self: Command) => {
      const { reset } = await import('./commands/reset.ts');
      end(await reset(directories, self.optsWithGlobals()));
    },
  );
  command('prune', 'delete finished directories here, each verified at every destination first; never the newest')
    .requiredOption('--older-than <duration>', 'finished so long ago, such as 30d')
    .option('--until-free <percent>', 'stop when so much of the disk is free, such as 20%')
    .option('--quick', 'compare size and mtime only, not content')
    .option('--dry-run', 'verify and say what would be deleted; delete nothing')
    .action(async (_options, self: Command) => {
      const { runPrune } = await import('./commands/prune.ts');
      end(await runPrune(self.optsWithGlobals()));
    });
  command('receive', 'our own receiver: an SFTP-only SSH server confined to one folder')
    .option('--root <dir>', 'the folder that clients see as /')
    .option('--listen <host:port>', 'where to listen')
    .option('--authorized-keys <file>', 'the public keys that may log in')
    .option('--host-key <file>', 'the private host key; made on first start')
    .option('--append-only', 'clients add files; what is complete they can neither change, rename nor remove')
    .action(async (_options, self: Command) => {
      const { runReceive } = await import('./commands/receive.ts');
      end(await runReceive(self.optsWithGlobals()));
    });
  command('demo', 'the main job, live, on an embedded receiver in a temporary folder; needs no configuration')
    .option('--keep', 'leave the temporary folder for a look')
    .action(async (_options, self: Command) => {
      const { demo } = await import('./commands/demo.ts');
      end(await demo(self.optsWithGlobals()));
    });
  command('check', 'look at everything before a file is sent: a line each, with the cure').action(
    async (_options, self: Command) => {
      const { check } = await import('./commands/check.ts');
      end(await check(self.optsWithGlobals()));
    },
  );
  command('init', 'write a commented .isocketrc here, asking what is not given; never overwrites')
    .option('--site <name>', 'the name of the site')
    .option('--root <dir>', 'the folder under which the parser makes its directories')
    .option('--tag <text>', 'the beginning of their names')
    .option('--transport <name>', 'how files get there')
    .option('--host <name>', 'the destination')
    .option('--port <number>', 'its SSH port')
    .option('--user <name>', 'the user there')
    .option('--path <dir>', 'the folder there')
    .option('--identity-file <file>', 'the private key')
    .option('--known-hosts <file>', 'the file of host keys')
    .option('--make-key', 'make the key where there is none')
    .option('--accept-host-key <fingerprint>', 'trust the host if its key has this fingerprint (SHA256:…)')
    .option('--yes', 'ask nothing: take what is found for what is not given')
    .action(async (_options, self: Command) => {
      const { init } = await import('./commands/init.ts');
      end(await init(self.optsWithGlobals()));
    });
  return program;
};

const EXIT_CODES = `
Exit codes: 0 done · 1 a defect of ours · 2 usage or configuration · 3 files left unsent ·
  4 another isocket works on this root · 130, 143 stopped by SIGINT, SIGTERM`;

const readVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
};

/** Says what went wrong on stderr; returns the exit code for it. */
const tell = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // It has said it already.
  if (error instanceof UserError || error instanceof TransportError) {
    process.stderr.write(`isocket: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`);
    return error instanceof UserError ? error.exitCode : 3;
  }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : errorMessage(error);
  process.stderr.write(`isocket: this is a defect of isocket, please report it:\n${stack}\n`);
  return 1;
};
