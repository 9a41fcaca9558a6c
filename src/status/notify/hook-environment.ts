import { homeFolder } from '../../host/home.ts';

/** Of systemd, for us alone: a command that kept them could speak for the service. And our secret. */
const OURS = /^(?:NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|JOURNAL_STREAM|MAINPID|ISOCKET_PASSPHRASE)$/;
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment of a command: ours, which may be as empty as cron's, with what programs expect, and who calls. */
export const hookEnvironment = (
  own: NodeJS.ProcessEnv,
  { hook, site, config }: { readonly hook: string; readonly site: string; readonly config: string },
): NodeJS.ProcessEnv => {
  const inherited = Object.fromEntries(Object.entries(own).filter(([name]) => !OURS.test(name)));
  const home = homeFolder();
  return {
    PATH: USUAL_PATH,
    ...(home === undefined ? {} : { HOME: home }),
    ...inherited,
    ISOCKET_HOOK: hook,
    ISOCKET_SITE: site,
    // A command may ask: isocket status --json.
    ISOCKET_CONFIG: config,
  };
};
