import type { TransportPlugin } from '../transport.ts';
import { rclone } from './rclone/plugin.ts';
import { rsync } from './rsync/plugin.ts';
import { sftp } from './sftp/plugin.ts';

const bundled: ReadonlyMap<string, TransportPlugin> = new Map(
  [sftp, rsync, rclone].map((plugin) => [plugin.name, plugin]),
);

/** The bundled transport of that name. */
export const bundledTransport = (name: string): TransportPlugin | undefined => bundled.get(name);

export const bundledTransportNames: readonly string[] = [...bundled.keys()];
