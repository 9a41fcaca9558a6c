import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, lstatSync, openSync, watch, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { median, percentile } from './support.ts';

const MARK = 0o020;
const LIMIT_MS = 60_000;

export interface Latencies {
  /** Milliseconds since the close, of each file. */
  readonly visible: number[];
  readonly marked: number[];
}

export interface LatencyOptions {
  readonly files: number;
  readonly bytes: number;
  readonly everyMs: number;
  /** Wait for the marks too. */
  readonly marks: boolean;
}

/** Writes the files at their pace, and waits until each has arrived. */
export async function measureLatency(
  source: string,
  destination: string,
  { files, bytes, everyMs, marks }: LatencyOptions,
): Promise<Latencies> {
  const closedAt = new Map<string, number>();
  const visibleAt = new Map<string, number>();
  const markedAt = new Map<string, number>();
  const note = (times: Map<string, number>, name: string | null): void => {
    if (name !== null && closedAt.has(name) && !times.has(name)) times.set(name, performance.now());
  };
  using stack = new DisposableStack();
  for (const [path, hear] of [
    [destination, (name: string | null) => note(visibleAt, name)],
    [source, (name: string | null) => name !== null && isMarked(`${source}/${name}`) && note(markedAt, name)],
  ] as const) {
    const watching = watch(path, (_event, name) => void hear(name));
    stack.defer(() => watching.close());
  }
  const content = randomBytes(bytes);
  const started = performance.now();
  for (let file = 1; file <= files; file += 1) {
    await delay(Math.max(0, started + file * everyMs - performance.now()));
    const name = `file-${file}`;
    const descriptor = openSync(`${source}/${name}`, 'w', 0o644);
    writeSync(descriptor, content);
    closeSync(descriptor);
    closedAt.set(name, performance.now());
  }
  writeFileSync(`${source}/last`, '');
  await until(() => visibleAt.size === files && (!marks || markedAt.size === files));
  const since = (times: Map<string, number>): number[] =>
    [...times].map(([name, time]) => time - (closedAt.get(name) ?? NaN));
  return { visible: since(visibleAt), marked: since(markedAt) };
}

function isMarked(path: string): boolean {
  return ((lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & MARK) !== 0;
}

export function show(what: string, values: readonly number[]): void {
  const numbers = { median: median(values), p99: percentile(values, 0.99), most: Math.max(...values) };
  const shown = Object.entries(numbers).map(([name, value]) => `${name} ${value.toFixed(1)}`);
  console.log(`${what.padEnd(32)} ${shown.join('  ')}`);
}

export async function until(holds: () => boolean, child?: ChildProcess): Promise<void> {
  const started = performance.now();
  while (!holds()) {
    if (child !== undefined && child.exitCode !== null) throw new Error(`${child.spawnfile} ended`);
    if (performance.now() - started > LIMIT_MS) throw new Error(`waited in vain for ${LIMIT_MS / 1000} s`);
    await delay(5);
  }
}
