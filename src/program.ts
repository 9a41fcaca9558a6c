import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { errorMessage, TransportError, UserError } from './errors.ts';

/** Options that every command takes; none has a default of its own: flag > environment > file > built-in default. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
}

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
  command('send [files...]', 'deliver and mark the files named')
    .option('-0, --null', 'with "-" as the only file: read NUL-separated names from stdin')
    .action(async (files: string[], _options, self: Command) => {
      const { send } = await import('./commands/send.ts');
      end(await send(files, self.optsWithGlobals()));
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
    .option('--checksum', 'compare content, not only size and mtime')
    .option('--dry-run', 'verify and say what would be deleted; delete nothing')
    .action(async (_options, self: Command) => {
      const { runPrune } = await import('./commands/prune.ts');
      end(await runPrune(self.optsWithGlobals()));
    });
  command('receive', 'our own receiver: an SFTP-only SSH server confined to one folder')
    .requiredOption('--root <dir>', 'the folder that clients see as /')
    .requiredOption('--listen <host:port>', 'where to listen')
    .requiredOption('--authorized-keys <file>', 'the public keys that may log in')
    .option('--host-key <file>', 'the private host key; made on first start')
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
  return program;
};

const EXIT_CODES = `
Exit codes: 0 done · 1 a defect of ours · 2 usage or configuration · 3 files left unsent ·
  4 another isocket works on this root · 130, 143 stopped by SIGINT, SIGTERM`;

const readVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
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
