import type { TransportPlugin } from '../transport.ts';
import { sftp } from './sftp/plugin.ts';

const bundled: ReadonlyMap<string, TransportPlugin> = new Map([[sftp.name, sftp]]);

/** The bundled transport of that name. */
export const bundledTransport = (name: string): TransportPlugin | undefined => bundled.get(name);

export const bundledTransportNames: readonly string[] = [...bundled.keys()];
