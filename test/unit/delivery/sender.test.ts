import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, type BigIntStats } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SourceClock } from '../../../src/source/file-clock.ts';
import { Sender } from '../../../src/delivery/sender.ts';
import type { MarkRecord } from '../../../src/marks/mark-record.ts';
import { createMemoryRecord } from '../../../src/marks/record.ts';
import { TransportError } from '../../../src/errors.ts';
import type { Transport } from '../../../src/transport.ts';

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/isocket-sender-`);
  mkdirSync(`${root}/DC1`);
  path = `${root}/DC1/a`;
  writeFileSync(path, 'content', { mode: 0o644 });
});
afterEach(() => rmSync(root, { recursive: true }));

/** Tells what it is sent; the first `failures` sends fail. */
const transportThatTells = (sent: string[], label: string, failures = 0): Transport => {
  let left = failures;
  return {
    label,
    inFlight: 4,
    send: () => {
      if ((left -= 1) >= 0) return Promise.reject(new TransportError('file', 'full'));
      sent.push(label);
      return Promise.resolve();
    },
    verify: () => Promise.resolve([]),
    tidy: () => Promise.resolve(),
    probe: () => {
      throw new Error('not probed');
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
};

const retry = { firstMs: 1, mostMs: 1, hold: 5 };
const { signal } = new AbortController();
const senderTo = (destinations: readonly Transport[]): Sender =>
  new Sender({
    root,
    destinations,
    retry,
    retryMode: 'pass',
    clock: new SourceClock(),
    report: () => undefined,
    signal,
  });

const stats = (): BigIntStats => lstatSync(path, { bigint: true });
const twoKeys = (): MarkRecord =>
  createMemoryRecord([
    [1, 1],
    [2, 2],
  ]);
const unsent = (record: MarkRecord, isPresumed = false) => ({
  directory: 'DC1',
  path: 'a',
  stats: stats(),
  record,
  isPresumed,
});

it('sends to every destination a file whose mark was taken off within the tick in which it was set', async () => {
  const sent: string[] = [];
  const record = twoKeys();
  record.add('a', stats()); // As it was marked: without the tick its ctime would be another one.
  const sender = senderTo([transportThatTells(sent, 'A'), transportThatTells(sent, 'B')]);
  expect(await sender.send(unsent(record), 'backlog')).toEqual({ result: 'sent' });
  expect(sent).toEqual(['A', 'B']);
});

it('does not send again what one destination has when another one failed', async () => {
  const sent: string[] = [];
  const record = twoKeys();
  const sender = senderTo([transportThatTells(sent, 'A'), transportThatTells(sent, 'B', 1)]);
  expect(await sender.send(unsent(record), 'backlog')).toMatchObject({ result: 'failed' });
  expect(await sender.send(unsent(record), 'backlog')).toEqual({ result: 'sent' });
  expect(sent).toEqual(['A', 'B']);
});

it('sends what was closed after writing to every destination, whatever one of them has', async () => {
  const sent: string[] = [];
  const record = twoKeys();
  const sender = senderTo([transportThatTells(sent, 'A'), transportThatTells(sent, 'B', 1)]);
  expect(await sender.send(unsent(record, true), 'live')).toMatchObject({ result: 'failed' });
  expect(await sender.send(unsent(record, true), 'live')).toEqual({ result: 'sent' });
  expect(sent).toEqual(['A', 'A', 'B']);
});

it('leaves the proof of a closed file with several names to the next listing', async () => {
  linkSync(path, `${root}/other`);
  const record = createMemoryRecord();
  const sender = senderTo([transportThatTells([], 'A')]);
  expect(await sender.send(unsent(record, true), 'live')).toEqual({ result: 'sent' });
  expect([record.presumed.size, record.lookUp('a', stats())]).toEqual([0, 'changed']);
});
