import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

const names = new Map<string, string>();
const TIMEOUT_MS = 2000;

/** "parser", or "1001" where the number has no name: for messages. */
export const userName = (uid: bigint | number): string => {
  const id = String(uid);
  const known = names.get(id);
  if (known !== undefined) return known;
  const name = nameIn(readPasswd(), id) ?? nameIn(askDatabase(id), id) ?? id;
  names.set(id, name);
  return name;
};

/** The name of a user id in the lines of passwd(5). Pure. */
export const nameIn = (passwd: string, id: string): string | undefined =>
  passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , uid]) => uid === id)?.[0];

const readPasswd = (): string => {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
};

/** Users that are not in the file: LDAP, systemd. */
const askDatabase = (id: string): string => {
  const { stdout }: { stdout: unknown } = spawnSync('getent', ['passwd', id], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return typeof stdout === 'string' ? stdout : ''; // No such program.
};
