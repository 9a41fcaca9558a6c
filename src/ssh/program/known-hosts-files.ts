import { homeFolder, passwdHome } from '../../host/home.ts';
import { expandHome } from '../key-file.ts';
import type { OpenSshLogin } from './options.ts';

export interface KnownHostsFiles {
  /** What ssh is told; undefined: it has its own. */
  readonly given: readonly string[] | undefined;
  /** The file that a key is added to. */
  readonly first: string;
}

const inHome = (home: string): string => `${home}/.ssh/known_hosts`;

/**
 * Where neither the configuration nor ssh_config names a file: that of HOME, which a login by ssh2 reads, and those that ssh has in the
 * home of the password database.
 * @param configuration the output of `ssh -G`
 */
export const knownHostsFiles = (
  { knownHosts }: Pick<OpenSshLogin, 'knownHosts'>,
  configuration: string,
): KnownHostsFiles => {
  if (knownHosts !== undefined) return { given: [expandHome(knownHosts)], first: expandHome(knownHosts) };
  const [home, ofPasswd] = [homeFolder(), passwdHome()];
  const set = /^userknownhostsfile (.+)$/m.exec(configuration)?.[1];
  const defaults = ofPasswd === undefined ? [] : [inHome(ofPasswd), `${inHome(ofPasswd)}2`];
  if (set !== undefined && set !== defaults.join(' '))
    return { given: undefined, first: (set.split(' ')[0] ?? set).replace(/^~(?=\/)/, ofPasswd ?? '') };
  if (home === undefined || home === ofPasswd) return { given: undefined, first: defaults[0] ?? '~/.ssh/known_hosts' };
  return { given: [inHome(home), ...defaults], first: inHome(home) };
};
