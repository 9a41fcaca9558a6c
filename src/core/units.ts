// One or more amounts with a unit each, and nothing else.
const DURATION =
  /^\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\s*)+$/i;
const AMOUNT = /(\d+(?:\.\d+)?)\s*([a-z]+)/gi;

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

/** Milliseconds of a unit that `DURATION` matches, by its first letter; "ms" is apart. */
const UNIT_MS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** "2s", "1m30s", "250ms", "30d" → milliseconds; undefined for anything else, such as a bare or a negative number. */
export const parseDurationMs = (text: string): number | undefined => {
  if (!DURATION.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ''] of text.toLowerCase().matchAll(AMOUNT))
    ms += Number(amount) * (unit === 'ms' ? 1 : (UNIT_MS[unit.charAt(0)] ?? NaN));
  return Number.isFinite(ms) ? ms : undefined;
};

const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])i?)?b\s*$/i;
const SIZE_PREFIXES = ['', 'K', 'M', 'G', 'T', 'P'];

/** "20MB", "20MiB", "512 kB" → bytes (1 kB is 1024 bytes, as in rsync); undefined for anything else, such as a bare number. */
export const parseBytes = (text: string): number | undefined => {
  const [, amount, prefix = ''] = SIZE.exec(text) ?? [];
  const bytes = Math.floor(Number(amount) * 1024 ** SIZE_PREFIXES.indexOf(prefix.toUpperCase()));
  return Number.isFinite(bytes) ? bytes : undefined;
};

/** "1 file", "2 files", "1 directory", "2 directories". */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** "1 directory", "2 directories". */
export const countedDirectories = (count: number): string => counted(count, 'directory', 'directories');

/** 1536 → "1.5 KiB"; at most two digits after the point. */
export const formatBytes = (count: number): string => {
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < SIZE_PREFIXES.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${Number(value.toFixed(2))} ${unit === 0 ? '' : `${SIZE_PREFIXES[unit] ?? ''}i`}B`;
};

/** "1.5 of 4 KiB", "900 B of 4 KiB". */
export const formatShare = (done: number, all: number): string => {
  const [some, total] = [formatBytes(done), formatBytes(all)];
  const [number = '', unit] = some.split(' ');
  return `${total.endsWith(` ${unit}`) ? number : some} of ${total}`;
};

/** Milliseconds → "0.4 s", "59.9 s", "3 m 20 s", "2 h 5 m", "4 d 3 h". */
export const formatDuration = (ms: number): string => {
  if (ms < 59_950) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND);
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (hours === 0) return `${minutes} m ${seconds % 60} s`;
  return days === 0 ? `${hours} h ${minutes % 60} m` : `${days} d ${hours % 24} h`;
};
