import { readBestEffort } from '../../marks/best-effort.ts';
import type { SiteLabels } from '../../status/count-directory.ts';
import type { Config } from '../../config/config.ts';
import type { IsocketEvent, Report } from '../../core/events.ts';
import type { PassEnd } from '../../delivery/pass.ts';
import { EventFacts } from '../../status/notify/event-facts.ts';
import type { SiteFigures } from '../../status/metrics/figures.ts';
import { scanFigures, unknownFigures } from '../../status/metrics/scan-metrics.ts';
import { siteMetrics } from '../../status/metrics/site-metrics.ts';
import { Textfile } from '../../status/metrics/textfile.ts';
import { Totals } from '../../status/metrics/totals.ts';
import { readVersion } from '../version.ts';
import { statePathOf } from './open-site.ts';

/** `status.textfile` of a scan. */
export class ScanTextfile {
  readonly #config: Config;
  readonly #textfile: Textfile;
  readonly #totals: Totals;
  readonly #facts = new EventFacts();

  constructor(path: string, config: Config, report: Report) {
    this.#config = config;
    this.#textfile = new Textfile(path, report);
    this.#totals = new Totals(statePathOf(config));
  }

  note(event: IsocketEvent): void {
    this.#totals.note(event);
    this.#facts.note(event);
  }

  /** The scan came to its end, or was stopped. */
  async end(end: PassEnd, { required: labels, bestEffort }: SiteLabels, isStopped: boolean): Promise<void> {
    const { complete } = end;
    if (complete && !isStopped) this.#totals.noteSuccess();
    const options = { config: this.#config, statePath: statePathOf(this.#config), labels, facts: this.#facts };
    const figures = scanFigures(end, options);
    const tried = [...readBestEffort(options.statePath)].filter(([label]) => bestEffort.includes(label));
    const up = new Map([...figures.up, ...tried.map(([label, { down }]) => [label, down === null ? 1 : 0] as const)]);
    await this.#write({ ...figures, up });
  }

  /**
   * The scan could not begin, or go on.
   * @param root why the root cannot be worked on; undefined: it can
   */
  async failed(root: string | undefined): Promise<void> {
    await this.#write(unknownFigures(root, this.#config));
  }

  async #write(figures: SiteFigures): Promise<void> {
    this.#totals.save();
    const { site } = this.#config;
    this.#textfile.write(await siteMetrics({ site, version: readVersion(), totals: this.#totals }, figures));
  }
}
