import bytes from 'bytes';
import parseDuration from 'parse-duration';

// One or more amounts with a unit each and nothing else: parse-duration itself passes over what it does not know.
const DURATION =
  /^\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\s*)+$/i;

/** "2s", "1m30s", "250ms", "30d" → milliseconds; undefined for anything else, a bare number and a negative one among it. */
export const parseDurationMs = (text: string): number | undefined => {
  const ms = DURATION.test(text) ? parseDuration(text) : null;
  return ms === null || !Number.isFinite(ms) ? undefined : ms;
};

/** "20MB", "512 kB" → bytes (1 kB is 1024 bytes, as rsync's); undefined for anything else, a bare number among it. */
export const parseBytes = (text: string): number | undefined => {
  const isSize = /^\s*\d+(?:\.\d+)?\s*(?:b|kb|mb|gb|tb)\s*$/i.test(text);
  return (isSize ? bytes.parse(text.trim()) : null) ?? undefined;
};

/** "20MB/s", "512kB" → bytes a second; undefined for anything else, and for nothing a second. */
export const parseBandwidth = (text: string): number | undefined => {
  const parsed = parseBytes(text.replace(/\s*\/\s*s\s*$/i, ''));
  return parsed === 0 ? undefined : parsed;
};

/** 1536 → "1.5 KB". */
export const formatBytes = (count: number): string => bytes.format(count, { unitSeparator: ' ' }) ?? `${count} B`;

/** Milliseconds → "0.4 s", "59.9 s", "3 m 20 s", "2 h 5 m", "4 d 3 h". */
export const formatDuration = (ms: number): string => {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (hours === 0) return `${minutes} m ${seconds % 60} s`;
  return days === 0 ? `${hours} h ${minutes % 60} m` : `${days} d ${hours % 24} h`;
};
