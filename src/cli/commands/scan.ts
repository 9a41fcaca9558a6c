import type { Report } from '../../core/events.ts';
import { describe } from '../reporters/describe.ts';
import { planPass, runPass } from '../../delivery/pass.ts';
import { listenForShutdown } from '../shutdown.ts';
import type { CommonOptions } from '../options.ts';
import { FailureLog } from '../../status/last-failures.ts';
import { unmatchedTag } from '../../source/unmatched-tag.ts';
import { openSite, readConfig, statePathOf } from './open-site.ts';
import { openOutput, useLog } from './output.ts';
import { startedEvent } from './started.ts';

/** `isocket scan`: one pass over the site. Resolves with the exit code. */
export const scan = async (options: CommonOptions & { readonly dryRun?: boolean }): Promise<number> => {
  using shutdown = listenForShutdown();
  const { signal } = shutdown;
  using output = await openOutput(options);
  const { report } = output;
  if (options.dryRun === true) {
    const config = await readConfig(options, report);
    const unmatched = unmatchedTag(config.source);
    if (unmatched !== undefined) report({ type: 'note', level: 'warning', message: unmatched });
    const tell = options.json === true ? report : tellPlan(report);
    const complete = await planPass({ config, report: tell, signal }, statePathOf(config));
    return shutdown.exitCode ?? (complete ? 0 : 3);
  }
  await using site = await openSite(options, report, { onConfig: useLog(output) });
  report(startedEvent('scan', site));
  using failures = new FailureLog(site.state.path, report, 'earlier');
  const { summary, complete } = await runPass({
    ...site,
    report: failures.report,
    signal: AbortSignal.any([signal, site.refused]),
  });
  site.refused.throwIfAborted();
  if (!signal.aborted) failures.ended();
  report(summary);
  return shutdown.exitCode ?? (complete ? 0 : 3);
};

/** What a dry run is asked for are results: they go to stdout, without time and level. */
const tellPlan =
  (report: Report): Report =>
  (event) => {
    // What is excluded is what nobody wants: --verbose names it.
    const isSkipped = event.type === 'skipped' && event.kind !== 'excluded';
    if (event.type === 'planned' || event.type === 'held-back' || isSkipped)
      process.stdout.write(`${describe(event)?.text ?? ''}\n`);
    else report(event);
  };
