import type { Config } from '../../../src/config/config.ts';
import { runPass } from '../../../src/delivery/pass.ts';
import type { PassOptions } from '../../../src/delivery/context.ts';
import { openState, type StateFolder } from '../../../src/marks/state.ts';
import { definePlugin } from '../../../src/transport.ts';
import { Accesses, footprintsOf, type Footprint, type Stretch } from './accesses.ts';
import { SimulatedDaemon } from './daemon.ts';
import { Destination } from './destination.ts';
import { KnownNames } from './known-names.ts';
import { Liar } from './lies.ts';
import { MarkOracle } from './mark-oracle.ts';
import { Oracle } from './oracle.ts';
import { Parser, SUPERSEDED_MS } from './parser.ts';
import { createRandom, pick } from './random.ts';
import { DESTINATIONS, type Schedule, type Step, type StepKind } from './steps.ts';
import { Crash, inWorld, World } from './world.ts';

const fs = process.getBuiltinModule('node:fs');
const FOLDER = `/dev/shm/isocket-simulation-${process.pid}`;
const WAITS_MS = [1, 10, 100, 999, 1000, 2100, 27_500, 31_000];
const SET_BACK_MS = [1000, 10_000, 3_600_000];
const MOST_PASSES = 60;
const LAST_PASSES = 6;
const MARK = 0o020;
/** An event is delivered after so much time at the most. */
const HEARD_WITHIN_MS = 100;
/** Turns of the event loop without a point before a schedule counts as stuck. */
const MOST_IDLE_TURNS = 50;

export interface Outcome {
  readonly violations: readonly string[];
  readonly finishes: number;
  readonly unfinished: number;
  readonly points: number;
  readonly log: readonly string[];
  /** What the program read and wrote after each point of `Schedule.passes`, where that was asked for. */
  readonly stretches: readonly Stretch[];
  readonly footprints: Partial<Record<StepKind, Footprint>>;
}

export interface RunOptions {
  readonly isLogging?: boolean;
  readonly hasAccesses?: boolean;
}

/** One site: a state folder and its destinations. */
interface Site {
  readonly name: string;
  destinations: readonly number[];
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const plugin = definePlugin({
  name: 'simulated',
  parseOptions: () => undefined,
  connect: () => {
    throw new Error('the simulation brings its own transports');
  },
});

class Run {
  readonly world: World;
  readonly oracle: Oracle;
  readonly marks: MarkOracle;
  readonly log: string[] = [];
  points = 0;
  footprints: Partial<Record<StepKind, Footprint>> = {};
  stretches: readonly Stretch[] = [];
  readonly #schedule: Schedule;
  #random: () => number;
  readonly #destinations: readonly Destination[];
  readonly #parser: Parser;
  readonly #known = new KnownNames();
  readonly #sites: readonly [Site, Site] = [
    { name: 'here', destinations: [0] },
    { name: 'other', destinations: [1] },
  ];
  #site: Site = this.#sites[0];
  #steps: Step[];
  #lastAt = 0;
  #passes = 0;
  #isActing = false;
  /** Directories that were moved or removed since the daemon heard of it. */
  readonly #gone: string[] = [];
  #isLogging: boolean;
  /** The site whose process runs, and its destinations. */
  #running = 'here';
  #sentTo: readonly Destination[] = [];
  #state: StateFolder | undefined;
  #ends = 0;
  #daemon: SimulatedDaemon | undefined;

  constructor(schedule: Schedule, { isLogging = false, hasAccesses = false }: RunOptions) {
    const { settings } = schedule;
    this.#schedule = schedule;
    this.#isLogging = isLogging;
    this.#random = createRandom(schedule.seed ^ 0x5eed);
    this.#steps = [...schedule.steps];
    fs.rmSync(FOLDER, { recursive: true, force: true });
    this.world = new World({
      folder: FOLDER,
      ...settings,
      onPoint: () => this.#onPoint(),
      onFinished: (path) => {
        this.#note(`finished ${path}`);
        this.oracle.finished(path);
      },
      onMarked: (file) => {
        if (this.marks.marked(file, this.#sentTo)) this.#known.note(this.#running, this.#below(file), this.#sentTo);
      },
    });
    if (hasAccesses) this.world.accesses = new Accesses(this.world);
    this.#destinations = DESTINATIONS.map(
      (label, index) =>
        new Destination(label, this.world, {
          inFlight: settings.inFlight,
          lists: settings.listsAtDestination,
          readsAtOnce: settings.readsAtOnce,
          liar: new Liar(settings.lies[index], settings, (words) => this.#note(`${label} lies: ${words}`)),
          half: (path) => this.oracle.half(path),
          sending: (file) => this.marks.sending(file),
        }),
    );
    this.oracle = new Oracle(this.#destinations, this.world.violations, {
      isTrusted: (path, destination) => this.#isTrusted(path, destination),
      mayTrust: (path) => this.#mayTrust(path),
    });
    this.marks = new MarkOracle(this.world);
    this.#parser = new Parser(this.world, settings, {
      moved: (path) => {
        this.oracle.forget(path);
        this.#known.moved(this.#below(path));
        for (const { liar } of this.#destinations) liar.recordLost(this.#below(path));
        this.#gone.push(this.#below(path));
      },
      renamed: (from, to) => this.marks.renamed(from, to),
      closed: (path) => this.#daemon?.closed(this.#below(path)),
    });
  }

  random(): number {
    return this.#random();
  }

  async all(): Promise<void> {
    const { passes } = this.#schedule;
    if (passes !== undefined) await this.#passesAtPoints(passes);
    for (let pass = 0; pass < MOST_PASSES && this.#steps.length > 0; pass += 1) {
      this.#actAtBoundary();
      await this.#pass();
    }
    this.#quiesce();
    this.#parser.end();
    this.world.clock.advance(3000);
    for (let pass = 0; pass < LAST_PASSES; pass += 1) {
      await this.#pass();
      this.world.clock.advance(61_000);
    }
  }

  async #passesAtPoints(passes: number): Promise<void> {
    while (this.#steps[0]?.gap === 0) this.#act();
    if (this.world.accesses !== undefined) this.footprints = footprintsOf(this.world);
    for (let pass = 0; pass < passes; pass += 1) await this.#pass();
    this.stretches = this.world.accesses?.stretches ?? [];
    this.world.accesses = undefined;
  }

  #quiesce(): void {
    for (const destination of this.#destinations) destination.lost = 0;
    this.#site = this.#sites[0];
    this.#state = undefined;
  }

  #note(line: string): void {
    if (this.#isLogging) this.log.push(`${String(this.points).padStart(5)} ${line}`);
  }

  #below(path: string): string {
    return path.slice(this.world.root.length + 1);
  }

  /** contract.md §3: with `source.trustMarks` a mark that no record explains is believed, unless destinations are asked for all files. */
  #isTrusted(path: string, destination: Destination): boolean {
    const { trustsMarks, verify } = this.#schedule.settings;
    if (!trustsMarks || verify === 'all' || verify === 'checksum') return false;
    const { mode } = fs.lstatSync(`${this.world.root}/${path}`);
    return (mode & MARK) !== 0 && !this.#known.has(this.#running, path, destination);
  }

  /** What the daemon sends meanwhile is known by now, and was not yet as it was listed. */
  #mayTrust(path: string): boolean {
    const { trustsMarks, isDaemon } = this.#schedule.settings;
    return isDaemon || (trustsMarks && this.#sentTo.some((one) => !this.#known.has(this.#running, path, one)));
  }

  /** Every directory that is not finished. */
  unfinished(): number {
    const { root } = this.world;
    // With the clock set back the newest by birth may be another one than the last: it stays open.
    if (this.#schedule.settings.endsSuperseded && this.world.clock.settings > 0) return 0;
    return fs.readdirSync(root).filter((name) => name !== 'DC99' && !fs.existsSync(`${root}/${name}/finished.watch`))
      .length;
  }

  #onPoint(): void {
    if (this.#isActing) return;
    this.points += 1;
    this.world.accesses?.nextPoint();
    for (let [step] = this.#steps; step !== undefined && !this.world.isCrashed; [step] = this.#steps) {
      if (step.gap === 'pass' || this.points < this.#lastAt + step.gap) return;
      this.#act();
    }
  }

  /** At least one step: a pass that has nothing to do passes few points. */
  #actAtBoundary(): void {
    do this.#act();
    while (this.#steps[0]?.gap === 0);
  }

  #act(): void {
    const step = this.#steps.shift();
    if (step === undefined) return;
    this.#lastAt = this.points;
    this.#isActing = true;
    this.#note(`${step.kind} ${step.what} ${step.how}`);
    try {
      this.#do(step);
    } finally {
      this.#isActing = false;
    }
  }

  #do(step: Step): void {
    const { clock } = this.world;
    switch (step.kind) {
      case 'wait':
        return clock.advance(pick(() => step.how / 64, WAITS_MS));
      case 'set-clock-back':
        return clock.setBack(pick(() => step.how / 64, SET_BACK_MS));
      case 'cut':
        for (const destination of this.#destinations.slice(step.what % 2)) destination.lost = 1 + (step.how % 6);
        return;
      case 'crash':
        this.world.isCrashed = this.world.hasCrashed = true;
        return;
      case 'lose-events':
        this.#daemon?.loseEvents();
        return;
      case 'restart':
        this.#processEnds();
        return;
      case 'other-destinations': {
        const count = 1 + (step.how % 3);
        this.#site.destinations = [0, 1, 2].map((index) => (index + step.what) % 3).slice(0, count);
        this.#processEnds();
        return;
      }
      case 'other-site':
        this.#site = this.#sites[this.#site === this.#sites[0] ? 1 : 0];
        for (const { liar } of this.#destinations) liar.recordLost();
        this.#processEnds();
        return;
      case 'lose-state':
        this.world.isCrashed = true;
        this.#known.stateLost(this.#site.name);
        for (const { liar } of this.#destinations) liar.recordLost();
        fs.rmSync(this.#statePath(), { recursive: true, force: true });
        this.#processEnds();
        return;
      default:
        this.#parser.do(step);
    }
  }

  /** Also while the state is being opened. */
  #processEnds(): void {
    this.#state = undefined;
    this.#ends += 1;
  }

  #statePath(): string {
    return `${FOLDER}/state-${this.#site.name}`;
  }

  async #pass(): Promise<void> {
    this.#note(
      `pass of site ${this.#site.name} to ${this.#site.destinations.map((index) => this.#destinations[index]?.label).join()}`,
    );
    if (this.world.isCrashed || this.#state === undefined) await this.#endProcess();
    // What it does depends on what it finds alone, and not on how often chance was asked before.
    this.#passes += 1;
    this.#random = createRandom((this.#schedule.seed ^ 0x5eed) + this.#passes * 0x10001);
    this.#daemon?.deliverEvents();
    while (this.world.fireTimer()) await nextTurn();
    const work = (this.#schedule.settings.isDaemon ? this.#cycle() : this.#runPass()).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const failed = await this.#drive(work);
    this.marks.check();
    if (this.world.isCrashed) await this.#endProcess();
    else if (failed !== undefined) throw failed.error;
    this.oracle.checkAgain();
  }

  /** The next pass is of another process. */
  async #endProcess(): Promise<void> {
    // What the ended process had scheduled for this turn writes nothing any more.
    for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    this.#daemon?.[Symbol.dispose]();
    this.#daemon = undefined;
    this.#state = undefined;
    this.world.hasEnded = true;
    for (const { liar } of this.#destinations) liar.processEnded();
    // What it still waits for never comes: it must not go on beside the next process.
    this.world.isCrashed = true;
    for (let quiet = 0; quiet < 2; quiet += 1) {
      if (this.world.resume(this.#random)) quiet = 0;
      await nextTurn();
    }
    this.world.isCrashed = false;
  }

  async #runPass(): Promise<void> {
    await runPass(this.#options());
  }

  async #cycle(): Promise<void> {
    const daemon = (this.#daemon ??= new SimulatedDaemon(this.#options()));
    for (const name of this.#gone.splice(0)) daemon.gone(name);
    await daemon.cycle();
  }

  #options(): PassOptions {
    // What a step changes from here on is for the next pass.
    const config = this.#config();
    const ends = this.#ends;
    const destinations = this.#site.destinations.flatMap((index) => this.#destinations[index] ?? []);
    this.#sentTo = destinations;
    this.#running = this.#site.name;
    const state = this.#state ?? openState(this.#statePath(), config.source.root);
    this.#state = ends === this.#ends ? state : undefined;
    return {
      config,
      state,
      destinations,
      report: (event) => {
        if (this.world.isCrashed) throw new Crash();
        this.#note(JSON.stringify(event));
        if (event.type === 'sent') {
          const path = `${this.world.root}/${event.path}`;
          this.marks.reported(path);
          // The record of a directory that was moved away meanwhile goes with the next pass.
          if (fs.existsSync(path)) this.#known.note(this.#running, event.path, destinations);
        }
        this.world.point();
      },
      signal: new AbortController().signal,
    };
  }

  /** Runs the program until its pass is over: one of its parts at a time, in an order that the seed chooses. */
  async #drive<T>(work: Promise<T>): Promise<T | undefined> {
    const end = { isOver: false };
    void work.finally(() => {
      end.isOver = true;
    });
    let heardMs = this.world.clock.monotonicMs;
    for (let idle = 0; idle < MOST_IDLE_TURNS; idle += 1) {
      await nextTurn();
      if (end.isOver) return work;
      if (this.world.isIdle || this.world.clock.monotonicMs > heardMs + HEARD_WITHIN_MS) {
        this.#daemon?.deliverEvents();
        heardMs = this.world.clock.monotonicMs;
      }
      if (!this.world.isCrashed && this.#random() < 0.5 && this.#daemon?.deliverEvent() === true) idle = 0;
      else if (this.world.resume(this.#random)) idle = 0;
    }
    // What a crashed process would still wait for is of no matter.
    if (this.world.isCrashed) return undefined;
    throw new Error(`the pass is stuck\n${this.log.join('\n')}`);
  }

  #config(): Config {
    const { settings } = this.#schedule;
    return {
      site: this.#site.name,
      source: {
        root: this.world.root,
        tag: 'DC',
        newest: settings.newest,
        settleMs: 2000,
        supersededMs: SUPERSEDED_MS,
        rescanMs: 30_000,
        exclude: ['.*'],
        watcher: 'auto',
        trustMarks: settings.trustsMarks,
      },
      destinations: this.#site.destinations.map((index) => ({
        plugin,
        options: undefined,
        identity: `destination ${index}`,
        place: index,
      })),
      bestEffort: [],
      send: { durable: true, bandwidth: null, retry: { firstMs: 1000, mostMs: 60_000, hold: 5 } },
      verify: settings.verify,
      announce: settings.announce,
      manifest: false,
      state: this.#statePath(),
      log: { level: 'info', format: 'text', file: null },
      hooks: { finished: null, alert: null, ping: null, timeoutMs: 30_000, pingEveryMs: 300_000 },
      status: { listen: null, textfile: null },
      alerts: { unsentMs: null, downMs: null, successMs: null, held: false, late: false, silentMs: null, umask: false },
    };
  }
}

export const runSchedule = async (schedule: Schedule, options: RunOptions = {}): Promise<Outcome> => {
  const run = new Run(schedule, options);
  try {
    await inWorld(
      run.world,
      () => run.random(),
      () => run.all(),
    );
  } catch (error) {
    if (error instanceof Crash) throw new Error('a crash came out of the simulated program', { cause: error });
    throw error;
  }
  const { violations, finishes } = run.oracle;
  const { points, log, footprints, stretches } = run;
  return { violations, finishes, unfinished: run.unfinished(), points, log, stretches, footprints };
};

export const removeFolder = (): void => fs.rmSync(FOLDER, { recursive: true, force: true });

/** Drops steps for as long as it still fails. */
export const shrink = async (schedule: Schedule): Promise<Schedule> => {
  let smallest = schedule;
  for (let at = schedule.steps.length - 1; at >= 0; at -= 1) {
    const without = { ...smallest, steps: withoutStep(smallest.steps, at) };
    if (await fails(without)) smallest = without;
  }
  return smallest.steps.length < schedule.steps.length ? shrink(smallest) : smallest;
};

const fails = async (schedule: Schedule): Promise<boolean> => {
  try {
    return (await runSchedule(schedule)).violations.length > 0;
  } catch {
    return true;
  }
};

const withoutStep = (steps: readonly Step[], at: number): Step[] => {
  const [removed, next] = [steps[at], steps[at + 1]];
  const rest = steps.filter((_, index) => index !== at && index !== at + 1);
  if (removed === undefined || next === undefined) return rest;
  const gap = removed.gap === 'pass' || next.gap === 'pass' ? 'pass' : removed.gap + next.gap;
  return rest.toSpliced(at, 0, { ...next, gap });
};
