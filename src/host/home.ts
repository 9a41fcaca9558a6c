import { homedir, userInfo } from 'node:os';

/** As Debian names the home of users that have none. */
const NO_HOME = '/nonexistent';

/** undefined for a user without an entry in passwd and without HOME: a container may run as any number. */
export const homeFolder = (): string | undefined => {
  try {
    const home = homedir();
    return home === '' || home === NO_HOME ? undefined : home;
  } catch {
    return undefined;
  }
};

/** As the ssh program has it, whatever HOME says; undefined for a user without an entry in passwd. */
export const passwdHome = (): string | undefined => {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
};

/** Libraries ask for the home as they are loaded, and would end the program where there is none. */
export const ensureHome = (): void => {
  if (homeFolder() === undefined) process.env.HOME = NO_HOME;
};

/** undefined for a user without an entry in passwd. */
export const ownUserName = (): string | undefined => {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
};

/** "/" where the working directory is gone, or may not be entered. */
export const workingFolder = (): string => {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
};
