import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import { userName } from '../../host/user-name.ts';
import { serviceSite } from '../init/defaults.ts';

const STATES = '/var/lib/isocket';

/**
 * The state folder of a service whose configuration names none, so that the unit, cron and commands by hand share one: systemd's
 * `$STATE_DIRECTORY`, or the one that `install.sh` makes for `/etc/isocket/SITE`. null: the user's default.
 */
export const serviceState = (
  configPath: string,
  { env = process.env, states = STATES }: { readonly env?: NodeJS.ProcessEnv; readonly states?: string } = {},
): string | null => {
  const [given = ''] = (env.STATE_DIRECTORY ?? '').split(':');
  if (given.startsWith('/')) return given;
  const site = serviceSite(configPath);
  if (site === undefined) return null;
  const path = join(states, site);
  return process.geteuid?.() === 0 || existsSync(path) ? path : null;
};

/**
 * What root makes, the service's user could not write: a first run by root is refused where the configuration belongs to another user.
 * @throws UserError
 */
export const refuseFirstRunAsRoot = (configPath: string, state: string): void => {
  if (process.geteuid?.() !== 0 || existsSync(state)) return;
  const { uid } = statSync(configPath);
  if (uid === 0) return;
  const owner = userName(uid);
  const command = `runuser -u ${owner} -- isocket --config ${configPath} …`;
  throw new UserError(
    `Cannot make the state folder "${state}" as root: the configuration ${basename(dirname(configPath))}/${basename(configPath)} belongs to ${owner}, who could not write it`,
    { hint: `run it as that user: ${command}; if root is to run it: chown root ${configPath}` },
  );
};
