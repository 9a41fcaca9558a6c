import bytes from 'bytes';
import parseDuration from 'parse-duration';

/** "2s", "1m30s", "250ms" → milliseconds; undefined for anything else, a bare number and a negative one among it. */
export const parseDurationMs = (text: string): number | undefined => {
  if (!/^\s*[\d.]+\s*[a-z]/i.test(text)) return undefined;
  const ms = parseDuration(text);
  return ms === null || !Number.isFinite(ms) || ms < 0 ? undefined : ms;
};

/** "20MB/s", "512kB" → bytes a second (1 kB is 1024 bytes, as rsync's); undefined for anything else. */
export const parseBandwidth = (text: string): number | undefined => {
  const match = /^\s*(\d+(?:\.\d+)?\s*(?:b|kb|mb|gb|tb))(?:\/s)?\s*$/i.exec(text);
  const parsed = match?.[1] === undefined ? null : bytes.parse(match[1]);
  return parsed === null || parsed <= 0 ? undefined : parsed;
};

/** 1536 → "1.5 KB". */
export const formatBytes = (count: number): string => bytes.format(count, { unitSeparator: ' ' }) ?? `${count} B`;
