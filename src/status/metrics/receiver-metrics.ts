import { Registry } from 'prom-client';
import type { Report } from '../../core/events.ts';
import {
  DROPS,
  LOGIN_REFUSALS,
  REQUEST_REFUSALS,
  type ReceiverFigures,
  type RefusalKind,
} from '../../core/receiver-figures.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { Sheet } from './sheet.ts';
import { Textfile } from './textfile.ts';

export interface ReceiverMetricsOptions {
  /** The folder of clients: the label of every line. */
  readonly root: string;
  readonly version: string;
  readonly figures: () => Promise<ReceiverFigures>;
  /** `receive.status.textfile` */
  readonly textfile: string | null;
  readonly report: Report;
  readonly failed: (error: unknown) => void;
}

const [FIRST_MS, EVERY_MS] = [1000, 15_000];
const WORDS = { key: 'receive.status.textfile', goesOn: 'Files are received all the same' };

/** The metrics of a receiver: what was counted since it was started, and its process's. The file has those of its process not. */
export class ReceiverMetrics implements Disposable {
  readonly #options: ReceiverMetricsOptions;
  readonly #ofProcess = new Registry();
  readonly #textfile: Textfile | undefined;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: ReceiverMetricsOptions) {
    const { root, textfile, report, failed } = options;
    this.#options = options;
    this.#ofProcess.setDefaultLabels({ root });
    addProcessMetrics(this.#ofProcess);
    this.#textfile = textfile === null ? undefined : new Textfile(textfile, report, WORDS);
    const write = (): void => void this.#write().catch(failed);
    this.#timers = textfile === null ? [] : [setTimeout(write, FIRST_MS).unref(), setInterval(write, EVERY_MS).unref()];
  }

  /** The file stays as it is: it says when it was written. */
  [Symbol.dispose](): void {
    this.#timers.forEach((timer) => clearTimeout(timer));
  }

  get type(): string {
    return this.#ofProcess.contentType;
  }

  async text(): Promise<string> {
    return `${await this.#ofReceiver()}\n${await this.#ofProcess.metrics()}`;
  }

  async #ofReceiver(): Promise<string> {
    const { root, version, figures } = this.#options;
    return receiverMetrics({ root, version }, await figures());
  }

  async #write(): Promise<void> {
    this.#textfile?.write(await this.#ofReceiver());
  }
}

/** What is known of a receiver, in the text format of Prometheus. */
export const receiverMetrics = (
  { root, version }: { readonly root: string; readonly version: string },
  { counts, waiting, clients, disk, problems }: ReceiverFigures,
  nowMs = Date.now(),
): Promise<string> => {
  const sheet = new Sheet({ root });
  const busy = clients.filter(({ isBusy }) => isBusy).length;
  const only = (kinds: readonly RefusalKind[]): Record<string, number> =>
    Object.fromEntries(kinds.map((kind) => [kind, counts.refused[kind]]));
  sheet.gauges('isocket_receiver_connections', 'Open connections: before the login, idle, busy.', 'state', {
    login: waiting,
    idle: clients.length - busy,
    busy,
  });
  const sessions = clients.reduce((sum, client) => sum + client.sessions, 0);
  sheet.gauge('isocket_receiver_sessions', 'Open sessions of SFTP.', sessions);
  sheet.counter('isocket_receiver_sessions_total', 'Sessions of SFTP that were opened.', counts.sessions);
  sheet.counter('isocket_receiver_logins_total', 'Logins that were accepted.', counts.logins);
  sheet.counters(
    'isocket_receiver_logins_refused_total',
    'Logins that were refused, and connections that ended before one.',
    'reason',
    only(LOGIN_REFUSALS),
  );
  sheet.counters(
    'isocket_receiver_requests_refused_total',
    'Requests that were not permitted, or failed: no space left, or an error of the host.',
    'reason',
    only(REQUEST_REFUSALS),
  );
  sheet.counters(
    'isocket_receiver_dropped_total',
    'Connections that were ended after their login.',
    'reason',
    only(DROPS),
  );
  sheet.counters('isocket_receiver_files_total', 'Files and folders, by what was done with them.', 'action', {
    written: counts.files,
    cut: counts.cut,
    renamed: counts.renamed,
    removed: counts.removed,
    made: counts.made,
  });
  sheet.counter('isocket_receiver_written_bytes_total', 'Content of files that were closed or cut.', counts.written);
  sheet.counter('isocket_receiver_read_bytes_total', 'Content that clients read.', counts.read);
  sheet.gauge('isocket_receiver_disk_size_bytes', 'Size of the file system of the root.', disk?.size);
  sheet.gauge('isocket_receiver_disk_free_bytes', 'What is free of it for the receiver.', disk?.free);
  sheet.gauge('isocket_receiver_problems', 'What keeps clients from getting in, or from writing.', problems.length);
  sheet.gauge('isocket_last_run_timestamp_seconds', 'When these figures were taken, since 1970.', nowMs / 1000);
  sheet.gauges('isocket_build_info', 'The version of isocket; always 1.', 'version', { [version]: 1 });
  return sheet.text();
};
