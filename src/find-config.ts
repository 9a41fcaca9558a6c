import { statSync } from 'node:fs';
import { join } from 'node:path';
import { cosmiconfig, defaultLoaders } from 'cosmiconfig';
import { errorMessage, systemErrorCode, UserError } from './errors.ts';

const NAMES = ['.isocketrc', '.isocketrc.yaml', '.isocketrc.yml', '.isocketrc.json'];

export interface FindOptions {
  /** `--config` */
  readonly flag?: string;
  /** `ISOCKET_CONFIG` */
  readonly env?: string;
  readonly cwd: string;
  readonly home: string;
}

/** A configuration file and what stands in it. */
export interface FoundConfig {
  readonly path: string;
  readonly input: unknown;
}

/**
 * Finds the site's configuration: the file named, or the first from the working directory upward, then in `~/.config/isocket/`,
 * then in `/etc/isocket/`. Only data is read, never code.
 * @throws UserError where there is none, or it cannot be read
 */
export const findConfig = async ({ flag, env, cwd, home }: FindOptions): Promise<FoundConfig> => {
  const explorer = cosmiconfig('isocket', {
    // An extension that is not here is not loaded: that keeps out .js, .ts and .mjs.
    loaders: {
      noExt: defaultLoaders['.yaml'],
      '.yaml': defaultLoaders['.yaml'],
      '.yml': defaultLoaders['.yml'],
      '.json': defaultLoaders['.json'],
    },
  });
  const load = async (path: string): Promise<FoundConfig> => {
    try {
      const loaded = await explorer.load(path);
      return { path, input: loaded?.isEmpty === true ? undefined : loaded?.config };
    } catch (error) {
      throw unreadable(path, error);
    }
  };
  const named = flag ?? env;
  if (named !== undefined) return load(named);
  // Its own search looks for other names in ~/.config, and never in /etc.
  const folders = [...upward(cwd), join(home, '.config/isocket'), '/etc/isocket'];
  for (const folder of folders) {
    const path = NAMES.map((name) => join(folder, name)).find(
      (candidate) => statSync(candidate, { throwIfNoEntry: false }) !== undefined,
    );
    if (path !== undefined) return load(path);
  }
  throw new UserError(
    `Cannot find a configuration: no .isocketrc in ${cwd} or above, in ${home}/.config/isocket or in /etc/isocket`,
    {
      hint: 'copy templates/isocketrc.yaml to .isocketrc and fill it in, or name a file with --config',
    },
  );
};

const upward = (folder: string): string[] => {
  const parent = join(folder, '..');
  return parent === folder ? [folder] : [folder, ...upward(parent)];
};

const unreadable = (path: string, error: unknown): UserError => {
  const code = systemErrorCode(error);
  if (code === 'ENOENT')
    return new UserError(`Cannot read configuration "${path}": it is not there`, {
      hint: 'correct --config or ISOCKET_CONFIG',
    });
  if (code === 'EACCES')
    return new UserError(`Cannot read configuration "${path}": permission denied`, {
      hint: 'let the user that runs isocket read it',
    });
  if (code === 'EISDIR')
    return new UserError(`Cannot read configuration "${path}": it is a directory`, { hint: 'name the file in it' });
  return new UserError(`Cannot read configuration "${path}": ${errorMessage(error)}`, {
    hint: 'correct it there: YAML, or JSON where the name ends in .json',
    cause: error,
  });
};
