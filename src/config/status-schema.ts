import { z } from 'zod';
import { rootedPath } from '../core/destination-words.ts';
import { parseListenAddress } from '../core/listen-address.ts';

const LISTEN = 'HOST:PORT, such as 127.0.0.1:9180 or [::1]:9180, or a port of this host alone, such as 9180';

const TEXTFILE = 'an absolute path that ends with .prom, such as /var/lib/prometheus/node-exporter/isocket-ED1.prom';

const section = (answers: string) =>
  z
    .strictObject({
      listen: z
        .union([z.string(), z.int()], { error: LISTEN })
        .refine((address) => parseListenAddress(String(address)) !== undefined, { error: LISTEN })
        .nullable()
        .default(null)
        .describe(answers),
      textfile: rootedPath(TEXTFILE)
        .refine((path) => path.endsWith('.prom'), { error: TEXTFILE })
        .nullable()
        .default(null)
        .describe('A file with the metrics of Prometheus, for the textfile collector of its node exporter'),
    })
    .prefault({});

/** Who may ask how it goes: contract.md §6. */
export const statusSchema = section('Where the daemon answers: status page, /metrics, /healthz, /status.json, /events');

export const receiveStatusSchema = section('Where the receiver answers: /metrics, /healthz, /status.json');
