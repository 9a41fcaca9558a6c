import { Counter, Gauge, Registry } from 'prom-client';

type Values = ReadonlyMap<string, number> | Readonly<Record<string, number>>;

/** Figures of one moment in the text format of Prometheus. What is not known (undefined) has no line at all. */
export class Sheet {
  readonly #registry = new Registry();

  /** @param labels of every line */
  constructor(labels: Readonly<Record<string, string>>) {
    this.#registry.setDefaultLabels(labels);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  gauge(name: string, help: string, value: number | undefined): void {
    if (value !== undefined) new Gauge({ name, help, registers: [this.#registry] }).set(value);
  }

  counter(name: string, help: string, value: number | undefined): void {
    if (value !== undefined) new Counter({ name, help, registers: [this.#registry] }).inc(value);
  }

  gauges(name: string, help: string, label: string, values: Values): void {
    const gauge = new Gauge({ name, help, labelNames: [label], registers: [this.#registry] });
    for (const [of, value] of entries(values)) gauge.set({ [label]: of }, value);
  }

  counters(name: string, help: string, label: string, values: Values): void {
    const counter = new Counter({ name, help, labelNames: [label], registers: [this.#registry] });
    for (const [of, value] of entries(values)) counter.inc({ [label]: of }, value);
  }
}

const entries = (values: Values): Iterable<readonly [string, number]> =>
  values instanceof Map ? values : Object.entries(values);
