import { z } from 'zod';
import { duration, durationOrNever } from './duration.ts';

const COMMAND = 'a command line for /bin/sh, or a list of a program and its arguments';
const URL_WORDS = 'an http or https URL, such as https://hc-ping.com/UUID';

const word = z.string({ error: COMMAND }).regex(/^[^\0]+$/, { error: COMMAND });
const command = z
  .union([word, z.array(word).min(1, { error: COMMAND })], { error: COMMAND })
  .nullable()
  .default(null);

const isWebUrl = (text: string): boolean => /^https?:\/\//i.test(text) && URL.canParse(text);

/** Who is told: contract.md §6. */
export const hooksSchema = z
  .strictObject({
    finished: command.describe('A command that is run for each finished directory, with JSON on stdin'),
    alert: command.describe(
      'A command that is run when something is wrong ("alerts"), and when it is over, with JSON on stdin',
    ),
    ping: z
      .string({ error: URL_WORDS })
      .refine(isWebUrl, { error: URL_WORDS })
      .nullable()
      .default(null)
      .describe('A dead-man URL as healthchecks.io has it: URL/start, URL, URL/fail'),
    timeout: duration('30s', 'A command that runs longer is ended'),
    pingEvery: duration('5m', 'The daemon pings so often, and within 10 s of a change'),
  })
  .prefault({});

/** When `hooks.alert` is run, and `hooks.ping` told of a failure. */
export const alertsSchema = z
  .strictObject({
    unsent: durationOrNever('1h', 'The oldest unsent file is older'),
    down: durationOrNever('15m', 'A destination has been down so long; one that refuses us is told of at once'),
    success: durationOrNever('1d', 'At no look for so long was everything sent'),
    held: z.boolean().default(true).describe('Files are held'),
    late: z.boolean().default(true).describe('A directory was changed after it was finished'),
    silent: durationOrNever(null, 'Nothing in the open directory has changed for so long'),
    umask: z.boolean().default(true).describe('Files are created with g+w, and pass for sent'),
  })
  .prefault({});
