import type { Name } from '../name.ts';
import { parseClientPath } from './client-path.ts';
import { parseFrom } from './from-patterns.ts';

/** What the options of a line of `authorized_keys` allow its key. */
export interface KeyLimits {
  /** `path="…"`: the folder below the root that the key sees as "/"; none: the root itself. */
  readonly folder: readonly Name[];
  /** `from="…"`: is this one of the addresses? */
  readonly isFrom?: (address: string) => boolean;
  /** `expiry-time="…"`: from then on nobody gets in. */
  readonly expiresMs?: number;
}

/** They forbid only what the receiver never offers. Any unknown option may restrict more than the receiver enforces. */
const HARMLESS = /^(?:restrict|no-(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding))$/i;
const WITH_VALUE = /^([a-z-]{1,40})="((?:\\"|[^"])*)"$/i;
const UNQUOTED = /^(?:path|from|expiry-time|command)=(?!")/i;

/** @returns what they allow, or why the key lets nobody in; that repeats no text that may be a secret */
export const parseKeyOptions = (options: readonly string[]): KeyLimits | string => {
  let limits: KeyLimits = { folder: [] };
  for (const option of options) {
    if (HARMLESS.test(option)) continue;
    const [, name = '', quoted = ''] = WITH_VALUE.exec(option) ?? [];
    const more = parseValue(name.toLowerCase(), quoted.replaceAll('\\"', '"'));
    if (more === undefined) return unknown(option);
    if (typeof more === 'string') return more;
    limits = { ...limits, ...more };
  }
  return limits;
};

const parseValue = (name: string, value: string): Partial<KeyLimits> | string | undefined => {
  switch (name) {
    case 'path':
      return parseFolder(value);
    case 'from': {
      const isFrom = parseFrom(value);
      return isFrom === undefined
        ? 'from= takes addresses, networks (10.0.0.0/8) and patterns of addresses (10.1.*), with "!" before what is left out; names are not looked up'
        : { isFrom };
    }
    case 'expiry-time': {
      const expiresMs = parseExpiry(value);
      return expiresMs === undefined
        ? 'expiry-time= takes YYYYMMDD or YYYYMMDDHHMM[SS], with a "Z" behind it for UTC'
        : { expiresMs };
    }
    case 'command':
      // Nothing else is ever served.
      return value === 'internal-sftp' ? {} : undefined;
    default:
      return undefined;
  }
};

const parseFolder = (value: string): Partial<KeyLimits> | string => {
  // Elsewhere ".." stays at the root; here another folder than the one that is named would be served.
  if (value.split('/').includes('..')) return 'path= takes no "..": name the folder as it is below the root';
  const folder = value.includes('\0') ? [] : parseClientPath(Buffer.from(value));
  return folder.length === 0 ? 'path= takes the name of a folder below the root' : { folder };
};

const unknown = (option: string): string => {
  const name = option.split('=', 1)[0] ?? option;
  // What is no option at all may be a secret.
  if (!/^[a-z-]{1,40}$/i.test(name)) return 'it holds no public key';
  if (UNQUOTED.test(option)) return `${name}= takes its value in quotes: ${name}="…"`;
  return `the option "${name}" is not supported${name.toLowerCase() === 'command' ? ' (but command="internal-sftp" is)' : ''}; remove it, or use only "restrict", "path", "from" and "expiry-time"`;
};

/** As OpenSSH: local time, unless a "Z" follows. */
const parseExpiry = (text: string): number | undefined => {
  const [, year, month, day, hour = '0', minute = '0', second = '0', utc] =
    /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(z)?$/i.exec(text) ?? [];
  if (year === undefined) return undefined;
  const fields = [Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)] as const;
  const date = utc === undefined ? new Date(...fields) : new Date(Date.UTC(...fields));
  const isThatDay = (utc === undefined ? date.getDate() : date.getUTCDate()) === Number(day);
  const isTime = fields[1] < 12 && fields[3] < 24 && fields[4] < 60 && fields[5] < 60;
  return isThatDay && isTime ? date.getTime() : undefined;
};
