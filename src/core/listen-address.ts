import { isIPv4 } from 'node:net';

/** Where a server listens. */
export interface ListenAddress {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

const PORT = /^\d{1,5}$/;
const HOST_PORT = /^(\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i;

/** "127.0.0.1:9180", "[::1]:9180", "localhost:9180"; a port alone is one of 127.0.0.1. undefined for anything else. */
export const parseListenAddress = (text: string): ListenAddress | undefined => {
  const [, written = '127.0.0.1', digits = ''] = PORT.test(text) ? ['', undefined, text] : (HOST_PORT.exec(text) ?? []);
  const port = Number(digits);
  // One address is written in several ways: 127.1, ::1.
  const host = URL.canParse(`http://${written}`) ? new URL(`http://${written}`).hostname : '';
  if (host === '' || digits === '' || port < 1 || port > 65_535) return undefined;
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
};

export const showListenAddress = ({ host, port }: ListenAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Is it reached from this host alone? */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
