import { parseBytes } from './units.ts';

/** Bytes a second; null: no limit. */
export type Rate = number | null;

/** The rate from a minute of the day on, until the next one of the timetable. */
interface RateFrom {
  readonly minute: number;
  readonly rate: Rate;
}

/** One rate for all hours, or a timetable of the day, by its minutes. */
export type Bandwidth = Rate | readonly RateFrom[];

/** "20MB/s", "512kB" → bytes a second; undefined for anything else, and for zero. */
const parseRate = (text: string): number | undefined => {
  const parsed = parseBytes(text.replace(/\s*\/\s*s\s*$/i, ''));
  return parsed === 0 ? undefined : parsed;
};

const TIME_AND_RATE = /^\s*([01]?\d|2[0-3]):([0-5]\d)\s+(.+)$/;

const parseRateFrom = (text: string): RateFrom | undefined => {
  const [, hours, minutes, what = ''] = TIME_AND_RATE.exec(text) ?? [];
  const rate = what.trim().toLowerCase() === 'off' ? null : parseRate(what);
  return rate === undefined ? undefined : { minute: Number(hours) * 60 + Number(minutes), rate };
};

/**
 * "20MB/s", or by the hours of the day "08:00 20MB/s, 19:00 off": from each time on until the next one, over midnight too. undefined for
 * anything else, such as two rates for one time.
 */
export const parseBandwidth = (text: string): Bandwidth | undefined => {
  if (!text.includes(':')) return parseRate(text);
  const parsed = text.split(',').map(parseRateFrom);
  const timetable = parsed.filter((one) => one !== undefined).toSorted((a, b) => a.minute - b.minute);
  const times = new Set(timetable.map(({ minute }) => minute));
  return timetable.length === parsed.length && times.size === parsed.length ? timetable : undefined;
};

/** The rate at that moment, by the local clock. */
export const rateAt = (bandwidth: Bandwidth, now: Date): Rate => {
  if (bandwidth === null || typeof bandwidth === 'number') return bandwidth;
  const minute = now.getHours() * 60 + now.getMinutes();
  return (bandwidth.findLast((one) => one.minute <= minute) ?? bandwidth.at(-1))?.rate ?? null;
};
