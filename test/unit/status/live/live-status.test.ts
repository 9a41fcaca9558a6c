import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../../../src/config/config.ts';
import type { DirectorySnapshot } from '../../../../src/core/lifecycle.ts';
import type { FileCount, SurveyedDirectory } from '../../../../src/core/survey.ts';
import { idleActivity } from '../../../../src/instance/activity.ts';
import { Census } from '../../../../src/status/live/census.ts';
import { LiveStatus, type LiveOptions } from '../../../../src/status/live/live-status.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'isocket-live-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const snapshot = (name: string, finishedWatch = false): DirectorySnapshot => ({
  name,
  dev: 1n,
  ino: BigInt(name.slice(2)),
  birthNs: BigInt(name.slice(2)),
  mtimeNs: 1n,
  markedNs: 1n,
  finishedParse: false,
  finishedWatch,
});
const counted: FileCount = {
  files: 1000,
  bytes: 10_000,
  unsent: 10,
  unsentBytes: 100,
  skipped: 0,
  excluded: 0,
  reserved: [],
  oldest: undefined,
  bornMarked: 0,
  changedMs: Date.now(),
  unreadable: undefined,
};
const surveyed = (name: string, more: Partial<SurveyedDirectory> = {}): SurveyedDirectory => ({
  plan: { directory: snapshot(name), phase: 'open', closedBy: null },
  count: undefined,
  ageMs: Infinity,
  queued: 0,
  isSent: () => true,
  ...more,
});
const optionsFor = (survey: LiveOptions['survey']): LiveOptions => ({
  config: {
    site: 'ED1',
    source: { root, rescanMs: 30_000, newest: 'birth' },
    alerts: { unsentMs: null, downMs: null, successMs: null, held: true, late: true, silentMs: null, umask: true },
  } as Config,
  labels: { required: [], bestEffort: [] },
  statePath: '/none',
  version: '1',
  isExcluded: () => false,
  survey,
  overview: () => ({
    root: undefined,
    failing: [],
    unsentIn: [],
    bornMarked: undefined,
    open: undefined,
    unfinishable: [],
    late: [],
  }),
  activity: () => idleActivity(new Date()),
  isAlive: () => true,
  failures: () => ({ files: [], destinations: [], more: 0 }),
  failed: (error) => {
    throw error;
  },
});

describe('the live status', () => {
  it('reads the proof of each finished directory once, and lists none; what the daemon counted is not looked at', async () => {
    const names = Array.from({ length: 300 }, (_none, index) => `DC${index + 1}`);
    for (const name of names) {
      mkdirSync(`${root}/${name}`);
      writeFileSync(`${root}/${name}/finished.watch`, '{"files":1000,"bytes":5}');
    }
    const open = surveyed('DC301', { count: counted, ageMs: 5 });
    const survey = (listed: readonly DirectorySnapshot[]) => ({ unfinished: [open], listed, unworkable: new Map() });
    const listings = () => names.map((name) => snapshot(name, true));
    let listed = listings();
    using live = new LiveStatus(optionsFor(() => survey(listed)));
    const expected = { files: 301_000, sent: 300_990, unsent: 10, bytes: 11_500, held: 0 };
    expect((await live.read()).status.totals).toEqual(expected);
    rmSync(root, { recursive: true });
    listed = listings(); // The next listing of the root.
    using again = new LiveStatus(optionsFor(() => survey(listed)));
    expect((await again.read()).status.totals).toMatchObject({ files: 1000 }); // No proof is left.
    expect(await live.read()).toBe(await live.read()); // Once a second, however many ask.
  });

  it('shows a directory that was just finished, until a listing of the root has it', async () => {
    let listed = [snapshot('DC1')];
    using live = new LiveStatus(optionsFor(() => ({ unfinished: [], listed, unworkable: new Map() })));
    live.note({ type: 'finished', directory: 'DC1', closedBy: 'parser', files: 7, bytes: 70 });
    listed = [snapshot('DC1')]; // A listing that began before.
    expect((await live.read()).status.directories).toMatchObject([
      { name: 'DC1', phase: 'finished', files: 7, sent: 7 },
    ]);
  });
});

describe('the census', () => {
  const census = (): Census =>
    new Census({
      root,
      isExcluded: () => false,
      oldMs: 1000,
      failed: (error) => {
        throw error;
      },
    });
  const write = (name: string, files: number): void => {
    mkdirSync(`${root}/${name}`);
    for (let index = 0; index < files; index += 1) writeFileSync(`${root}/${name}/file-${index}`, 'x');
  };

  it('counts what has no count, or an old one, and then counts down by what is sent', async () => {
    for (const name of ['DC1', 'DC2', 'DC3']) write(name, 400);
    using own = census();
    const known = surveyed('DC3', { count: counted, ageMs: 500 });
    const all = [surveyed('DC1'), surveyed('DC2', { count: counted, ageMs: 5000 }), known];
    own.want(all);
    // While it is counted a file of it is sent that was met before, and one that is not met yet.
    await expect.poll(() => all.map((one) => own.of(one)?.unsent)).toEqual([400, 400, 10]);
    own.note({ type: 'sent', path: 'DC1/file-1', bytes: 1 });
    own.note({ type: 'sent', path: 'DC3/file-1', bytes: 1 });
    expect(all.map((one) => own.of(one)?.unsent)).toEqual([399, 400, 10]);
  });

  it('does not count what is sent while it counts twice', async () => {
    write('DC1', 600);
    using own = census();
    const directory = surveyed('DC1', {
      isSent: (_stats, path) => path === 'file-599',
    });
    own.want([directory]);
    // It rests after its first portion.
    own.note({ type: 'sent', path: 'DC1/new', bytes: 1 });
    await expect.poll(() => own.of(directory)?.unsent).toBe(599);
  });

  it('a directory that is gone is nobody’s trouble', async () => {
    using own = census();
    write('DC2', 1);
    const all = [surveyed('DC1'), surveyed('DC2')];
    own.want(all);
    await expect.poll(() => all.map((one) => own.of(one)?.unsent)).toEqual([undefined, 1]);
  });
});
