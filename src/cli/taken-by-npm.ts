import { UserError } from '../errors.ts';
import { COMMANDS } from './command-table.ts';

/** Long options without a value that change what a command does. */
const FLAGS = new Set(
  COMMANDS.flatMap(({ options = [] }) => options.flatMap(([flags]) => /--([a-z-]+)$/.exec(flags)?.[1] ?? [])),
);
FLAGS.delete('yes'); // npx has one of its own.

/**
 * `npm run isocket scan --dry-run` gives `--dry-run` to npm, and isocket would send everything. npm tells by its environment what it took.
 * @throws UserError
 */
export const refuseTakenByNpm = (args: readonly string[], env: NodeJS.ProcessEnv): void => {
  if (env.npm_lifecycle_event !== 'isocket') return;
  for (const flag of FLAGS) {
    if (env[`npm_config_${flag.replaceAll('-', '_')}`] !== 'true' || args.includes(`--${flag}`)) continue;
    throw new UserError(`Cannot tell whether --${flag} is for isocket: npm took it`, {
      hint: `give npm "--" before what is isocket’s: npm run isocket -- ${args.join(' ')} --${flag}`,
    });
  }
};
