import { median } from '../support.ts';
import type { Result } from './contest.ts';

const OURS = 'isocket';

/** One heading and one line for each contestant: wall time, its ratio to isocket's, own processor time, memory. */
export const lines = ({ id, work, samples }: Result): string[] => {
  const seconds = (name: string): number => median((samples.get(name) ?? []).map((sample) => sample.seconds));
  const ours = seconds(OURS);
  return [
    `${id}  ${work}`,
    ...[...samples].map(([name, all]) => {
      const cpu = all.flatMap(({ cpuSeconds }) => cpuSeconds ?? []);
      const peak = all.flatMap(({ peakMb }) => peakMb ?? []);
      const ratio = name === OURS ? '' : `isocket/it ${(ours / seconds(name)).toFixed(2)}`;
      const columns = [
        showSeconds(seconds(name)),
        cpu.length === 0 ? '' : `cpu ${median(cpu).toFixed(2)} s`,
        peak.length === 0 ? '' : `${Math.max(...peak).toFixed(0)} MB`,
      ];
      return `    ${name.padEnd(18)}${columns.map((column) => column.padStart(12)).join('')}   ${ratio}`;
    }),
  ];
};

/** 1.5 → "1.50 s", 0.0042 → "4.2 ms". */
const showSeconds = (seconds: number): string =>
  seconds < 0.1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;

const ROW = 16;
const MARGIN = 12;
const LABELS = 190;
const BARS = 420;
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Bars of wall time, each contest to its own scale. */
export const drawing = (results: readonly Result[], machines: readonly string[]): string => {
  const parts: string[] = [];
  let y = ROW;
  const text = (x: number, value: string, style = ''): void => {
    parts.push(`<text x="${x}" y="${y}"${style}>${escape(value)}</text>`);
  };
  for (const { id, work, samples } of results) {
    text(0, `${id} ${work}`, ' font-weight="bold"');
    const bars = [...samples].map(([name, all]) => [name, median(all.map(({ seconds }) => seconds))] as const);
    const longest = Math.max(...bars.map(([, seconds]) => seconds));
    for (const [name, seconds] of bars) {
      y += ROW;
      text(8, name);
      const width = Math.max(1, (seconds / longest) * BARS);
      const fill = name === OURS ? '#0b7285' : '#ced4da';
      parts.push(`<rect x="${LABELS}" y="${y - 11}" width="${width.toFixed(0)}" height="12" fill="${fill}"/>`);
      text(LABELS + Math.round(width) + 6, showSeconds(seconds));
    }
    y += ROW * 2;
  }
  for (const machine of machines) {
    text(0, machine, ' fill="#868e96"');
    y += ROW;
  }
  const [width, height] = [720 + 2 * MARGIN, y + 2 * MARGIN];
  const size = `width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">`,
    // Of its own: it is read on dark pages too.
    `<rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
};
