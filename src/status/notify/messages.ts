import type { Config } from '../../config/config.ts';
import type { AlertEvent, IsocketEvent } from '../../core/events.ts';
import type { Notice } from './decide.ts';

type FinishedEvent = Extract<IsocketEvent, { type: 'finished' }>;

const MOST_MESSAGES = 3;

/** What `hooks.finished` reads: one line of JSON. */
export const finishedInput = (event: FinishedEvent, { site, source }: Config, now: Date): string => {
  const { type, directory, files, bytes, closedBy } = event;
  const path = `${source.root}/${directory}`;
  return line({ type, site, root: source.root, directory, path, files, bytes, closedBy, at: now.toISOString() });
};

/** What `hooks.alert` reads: one line of JSON. */
export const alertInput = (notice: Notice, { site, source }: Config, now: Date): string =>
  line({ ...alertEvent(notice), site, root: source.root, at: now.toISOString() });

/** What `hooks.alert` reads where somebody tries it. */
export const testInput = ({ site, source }: Config, now: Date): string => {
  const message = 'a test of hooks.alert (isocket check --notify): nothing is wrong';
  const at = now.toISOString();
  const about = { type: 'alert', state: 'raised', kind: 'test', subjects: [site], message, since: at };
  return line({ ...about, site, root: source.root, at });
};

export const alertEvent = ({ kind, state, conditions }: Notice): AlertEvent => {
  const messages = conditions.slice(0, MOST_MESSAGES).map(({ message }) => message);
  const more = conditions.length - messages.length;
  return {
    type: 'alert',
    state,
    kind,
    subjects: conditions.map(({ subject }) => subject),
    message: [...messages, ...(more > 0 ? [`and ${more} more`] : [])].join('; '),
    since: new Date(Math.min(...conditions.map(({ sinceMs }) => sinceMs))).toISOString(),
  };
};

const line = (object: object): string => `${JSON.stringify(object)}\n`;
