import { isLoopback } from '../../core/listen-address.ts';

/**
 * A page of somebody else's whose name leads to this host (DNS rebinding) would be let in by the browser, but says its own name. What listens for
 * this host alone answers to the names of this host alone; who listens for others is reached under names that are not known here.
 * @param header "localhost:9180"; undefined: none was sent, as no browser does
 */
export const isOwnHost = (header: string | undefined, listensOn: string): boolean => {
  if (header === undefined || !isLoopback(listensOn)) return true;
  const host = header.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  return isLoopback(host.toLowerCase());
};
