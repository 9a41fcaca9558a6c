import { Registry } from 'prom-client';
import type { IsocketEvent, Report } from '../../core/events.ts';
import type { Name } from '../../name.ts';
import type { LiveStatus } from '../live/live-status.ts';
import { CloseToMark } from './close-to-mark.ts';
import { isWhole, liveFigures } from './figures.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { siteMetrics } from './site-metrics.ts';
import { Textfile } from './textfile.ts';
import { Totals } from './totals.ts';

export interface DaemonMetricsOptions {
  readonly site: string;
  readonly version: string;
  readonly statePath: string;
  readonly live: Pick<LiveStatus, 'read'>;
  /** `status.textfile` */
  readonly textfile: string | null;
  readonly report: Report;
  readonly failed: (error: unknown) => void;
}

/** The first figures show that it has begun. */
const [FIRST_MS, EVERY_MS] = [1000, 15_000];

/** The metrics of a daemon: its site's, and its process's. The file has the site's alone: the node exporter has those of its own process. */
export class DaemonMetrics implements Disposable {
  readonly #options: DaemonMetricsOptions;
  readonly #totals: Totals;
  readonly #textfile: Textfile | undefined;
  readonly #ofProcess = new Registry();
  readonly #closeToMark: CloseToMark;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: DaemonMetricsOptions) {
    const { site, statePath, textfile, report, failed } = options;
    this.#options = options;
    this.#totals = new Totals(statePath);
    this.#textfile = textfile === null ? undefined : new Textfile(textfile, report);
    this.#ofProcess.setDefaultLabels({ site });
    this.#closeToMark = new CloseToMark(this.#ofProcess);
    addProcessMetrics(this.#ofProcess);
    const keep = (): void => void this.#keep().catch(failed);
    this.#timers = [setTimeout(keep, FIRST_MS).unref(), setInterval(keep, EVERY_MS).unref()];
  }

  /** The file stays as it is: it says when it was written. */
  [Symbol.dispose](): void {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#totals.save();
  }

  get type(): string {
    return this.#ofProcess.contentType;
  }

  note(event: IsocketEvent): void {
    this.#totals.note(event);
    this.#closeToMark.note(event);
  }

  /** A file was closed by its writer. */
  noteClosed(path: Name): void {
    this.#closeToMark.noteClosed(path);
  }

  async text(): Promise<string> {
    return `${await this.#siteText()}\n${await this.#ofProcess.metrics()}`;
  }

  async #siteText(): Promise<string> {
    const { site, version, live } = this.#options;
    const reading = await live.read();
    if (isWhole(reading)) this.#totals.noteSuccess();
    // A counter that was shown never goes back, whatever ends the process: it would be taken for a new one.
    this.#totals.save();
    return siteMetrics({ site, version, totals: this.#totals }, liveFigures(reading));
  }

  async #keep(): Promise<void> {
    if (this.#textfile === undefined) this.#totals.save();
    else this.#textfile.write(await this.#siteText());
  }
}
