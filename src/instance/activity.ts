import { z } from 'zod';

/**
 * What a process that works on a root says of itself, to whoever connects to its lock. Read leniently: another version, or
 * somebody else's program, may answer.
 */
export const activitySchema = z.object({
  pid: z.int().positive(),
  kind: z.enum(['daemon', 'scan']).nullable().catch(null).default(null),
  /** ISO 8601. */
  since: z.string().nullable().catch(null).default(null),
  /** Paths below the root that are on their way. */
  inFlight: z.array(z.string()).catch([]).default([]),
  held: z
    .array(
      z.object({
        path: z.string(),
        reason: z.string(),
        attempts: z.number().catch(0),
        /** Until it is tried again. */
        nextSeconds: z.number().nullable().catch(null),
      }),
    )
    .catch([])
    .default([]),
  connections: z
    .array(z.object({ destination: z.string(), state: z.string(), message: z.string().nullable().catch(null) }))
    .catch([])
    .default([]),
  /** What watches, in words. */
  watcher: z.string().nullable().catch(null).default(null),
  eventsLost: z.number().catch(0).default(0),
  foundByRescan: z.number().catch(0).default(0),
});

export type Activity = Readonly<z.infer<typeof activitySchema>>;

/** The answer on the wire → the activity; undefined for what is none. A bare process id is the answer of version 0.1. */
export const parseActivity = (answer: string): Activity | undefined => {
  let input: unknown;
  try {
    input = JSON.parse(answer);
  } catch {
    return undefined;
  }
  return activitySchema.safeParse(typeof input === 'number' ? { pid: input } : input).data;
};

/** Of a process that works on a root and has said nothing more yet. */
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
