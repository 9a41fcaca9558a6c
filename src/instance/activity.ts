import { z } from 'zod';

/**
 * What a process that works on a root reports to a client of its lock socket. Parsed leniently: another version or another
 * program may answer.
 */
export const activitySchema = z.object({
  pid: z.int().positive(),
  kind: z.enum(['daemon', 'scan']).nullable().catch(null).default(null),
  /** ISO 8601. */
  since: z.string().nullable().catch(null).default(null),
  /** Paths below the root that are being sent. */
  inFlight: z.array(z.string()).catch([]).default([]),
  held: z
    .array(
      z.object({
        path: z.string(),
        reason: z.string(),
        /** What to do about it. */
        hint: z.string().nullish().catch(null),
        attempts: z.number().catch(0),
        /** Until the next attempt. */
        nextSeconds: z.number().nullable().catch(null),
      }),
    )
    .catch([])
    .default([]),
  connections: z
    .array(
      z.object({
        destination: z.string(),
        /** `up`; `down`; `lost`: it ended while nothing was sent. */
        state: z.string(),
        message: z.string().nullable().catch(null),
        hint: z.string().nullish().catch(null),
        /** Of one that is down: since when, ISO 8601. */
        since: z.string().nullish().catch(null),
        /** Until it is tried again. */
        nextSeconds: z.number().nullish().catch(null),
      }),
    )
    .catch([])
    .default([]),
  /** Those in flight of which a part has arrived, and the first of the others: their sizes, and how much has arrived. */
  sending: z
    .array(z.object({ path: z.string(), bytes: z.number(), sent: z.number().optional().catch(undefined) }))
    .optional()
    .catch(undefined),
  /** Directories with files that had the mark from their birth. */
  bornMarked: z
    .array(z.object({ directory: z.string(), count: z.number() }))
    .optional()
    .catch(undefined),
  /** Of a daemon: what it has sent since its start, and how fast in the last minute. */
  throughput: z
    .object({ files: z.number(), bytes: z.number(), filesPerSecond: z.number(), bytesPerSecond: z.number() })
    .optional()
    .catch(undefined),
  /** A description of the watcher. */
  watcher: z.string().nullable().catch(null).default(null),
  eventsLost: z.number().catch(0).default(0),
  foundByRescan: z.number().catch(0).default(0),
});

export type Activity = Readonly<z.infer<typeof activitySchema>>;

/** The answer on the wire → the activity; undefined if it is none. Version 0.1 answers with a bare process id. */
export const parseActivity = (answer: string): Activity | undefined => {
  let input: unknown;
  try {
    input = JSON.parse(answer);
  } catch {
    return undefined;
  }
  return activitySchema.safeParse(typeof input === 'number' ? { pid: input } : input).data;
};

/** "the daemon, process 4711" */
export const describeHolder = ({ kind, pid }: Activity): string =>
  `${kind === 'daemon' ? 'the daemon' : 'a scan or another command'}, process ${pid}`;

/** The activity of a process that works on a root, before it reports more. */
export const idleActivity = (since: Date): Activity => ({
  pid: process.pid,
  kind: 'scan',
  since: since.toISOString(),
  inFlight: [],
  held: [],
  connections: [],
  watcher: null,
  eventsLost: 0,
  foundByRescan: 0,
});
