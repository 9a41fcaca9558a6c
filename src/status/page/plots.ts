import UPlot from 'uplot';
import { formatBytes } from '../../core/units.ts';
import type { HistorySeries } from '../live/history.ts';
import { element, setText } from './rows.ts';

interface Plot {
  readonly show: (times: readonly number[], values: readonly (number | null)[]) => void;
}

const HEIGHT = 180;

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name);

const createPlot = (id: string, label: string, showValue: (value: number) => string): Plot => {
  const place = element(id);
  const axis = {
    stroke: () => colour('--muted'),
    grid: { stroke: () => colour('--rule'), width: 1 },
    ticks: { show: false },
  };
  const plot = new UPlot(
    {
      width: Math.max(100, place.clientWidth),
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, values: (_plot, times) => times.map(showTime) },
        { ...axis, size: 80, values: (_plot, values) => values.map(showValue) },
      ],
      series: [{}, { label, stroke: () => colour('--bar'), fill: () => colour('--bar-back'), width: 1.5 }],
    },
    [[], []],
    place,
  );
  // What it shows is said in words beside it.
  place.setAttribute('aria-hidden', 'true');
  new ResizeObserver(() => plot.setSize({ width: Math.max(100, place.clientWidth), height: HEIGHT })).observe(place);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.redraw());
  return { show: (times, values) => plot.setData([[...times], [...values]]) };
};

const showTime = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

const showRate = (bytes: number): string => `${formatBytes(Math.round(bytes))}/s`;
const showCount = (files: number): string => (Number.isInteger(files) ? files.toLocaleString('en') : '');

/** Two plots: what was sent, and what was left to send. */
export class Plots {
  readonly #sent = createPlot('sent-plot', 'sent', showRate);
  readonly #backlog = createPlot('backlog-plot', 'waiting', showCount);
  #series: readonly HistorySeries[] = [];
  #span = 0;

  constructor() {
    element('spans').addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement) this.#span = Number(event.target.value);
      this.#draw();
    });
  }

  show(series: readonly HistorySeries[]): void {
    this.#series = series;
    this.#draw();
  }

  #draw(): void {
    const series = this.#series[this.#span];
    if (series === undefined) return;
    const { stepSeconds, until, bytes, backlog } = series;
    const end = Date.parse(until) / 1000;
    const times = bytes.map((_count, index) => end - (bytes.length - 1 - index) * stepSeconds);
    const rates = bytes.map((count) => count / stepSeconds);
    this.#sent.show(times, rates);
    this.#backlog.show(times, backlog);
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / Math.max(1, rates.length);
    setText(element('sent-words'), `${showRate(mean)} on average, ${showRate(Math.max(0, ...rates))} at most`);
    const known = backlog.filter((files) => Number.isFinite(files));
    setText(
      element('backlog-words'),
      `${(known.at(-1) ?? 0).toLocaleString('en')} now, ${Math.max(0, ...known).toLocaleString('en')} at most`,
    );
  }
}
