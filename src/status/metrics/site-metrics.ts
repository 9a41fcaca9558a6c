import type { SiteFigures } from './figures.ts';
import { Sheet } from './sheet.ts';
import type { Totals } from './totals.ts';

export interface MetricsOf {
  readonly site: string;
  readonly version: string;
  readonly totals: Pick<Totals, 'files' | 'bytes' | 'failures' | 'lastSuccessMs'>;
}

/** What is known of a site, in the text format of Prometheus. */
export const siteMetrics = (
  { site, version, totals }: MetricsOf,
  figures: SiteFigures,
  nowMs = Date.now(),
): Promise<string> => {
  const sheet = new Sheet({ site });
  const { backlog, directories, watching, up, problems } = figures;
  sheet.counter('isocket_files_sent_total', 'Files that every destination confirmed.', totals.files);
  sheet.counter('isocket_bytes_sent_total', 'Bytes of the files that every destination confirmed.', totals.bytes);
  sheet.counters('isocket_send_failures_total', 'Failures of files and of connections.', 'class', totals.failures);
  sheet.gauge('isocket_backlog_files', 'Unsent files.', backlog?.files);
  sheet.gauge('isocket_backlog_bytes', 'Bytes of the unsent files.', backlog?.bytes);
  sheet.gauge(
    'isocket_oldest_unsent_seconds',
    'Since the last change of the unsent file that was changed longest ago; 0: nothing is unsent.',
    figures.oldestUnsentSeconds,
  );
  sheet.gauge('isocket_held_files', 'Files that failed, and are tried again.', figures.heldFiles);
  sheet.gauges('isocket_directories', 'Directories by phase.', 'phase', directories ?? {});
  sheet.counter('isocket_events_lost_total', 'Times that events of the disk were lost.', watching?.eventsLost);
  sheet.counter('isocket_found_by_rescan_total', 'Files of which no event told.', watching?.foundByRescan);
  sheet.gauges('isocket_destination_up', 'Was it there when it was tried last?', 'destination', up);
  sheet.gauges('isocket_problems', 'What is wrong now, by the kind of alert.', 'kind', problems);
  sheet.gauge(
    'isocket_last_success_timestamp_seconds',
    'When nothing was left unsent that could be sent, since 1970; 0: never yet.',
    (totals.lastSuccessMs ?? 0) / 1000,
  );
  sheet.gauge('isocket_last_run_timestamp_seconds', 'When these figures were taken, since 1970.', nowMs / 1000);
  sheet.gauges('isocket_build_info', 'The version of isocket; always 1.', 'version', { [version]: 1 });
  return sheet.text();
};
