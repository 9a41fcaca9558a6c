import { parseDurationMs } from '../../core/units.ts';
import { UserError } from '../../errors.ts';
import {
  CHECK_CODES,
  checkLine,
  checkVerdict,
  type CheckState,
  type CheckVerdict,
} from '../../status/check-verdict.ts';
import { statusSource, type StatusOptions } from './status-source.ts';

/** So old may the oldest unsent file get; `--warn` defaults to `alerts.unsent`, where `--crit` is no shorter. */
const [WARN_MS, CRIT_MS] = [3_600_000, 86_400_000];

/** `isocket status --check`: one line for Nagios, Icinga and what else calls its plug-ins. Resolves with their exit code. */
export const statusCheck = async (named: readonly string[], options: StatusOptions): Promise<number> => {
  const verdict = await judge(named, options);
  const { state } = verdict;
  process.stdout.write(
    `${options.json === true ? JSON.stringify({ type: 'check', ...verdict }) : checkLine(verdict)}\n`,
  );
  return CHECK_CODES[state];
};

const judge = async (named: readonly string[], options: StatusOptions): Promise<CheckVerdict> => {
  let state: CheckState = 'UNKNOWN';
  try {
    if (options.watch === true) throw new UserError('--check ends at once: it does not go with --watch');
    const [given, critical] = [limitOf('--warn', options.warn), limitOf('--crit', options.crit)];
    const { config, read } = await statusSource(named, options, () => undefined);
    const warnMs = given ?? Math.min(config.alerts.unsentMs ?? WARN_MS, critical ?? Infinity);
    const critMs = critical ?? Math.max(CRIT_MS, warnMs);
    if (warnMs > critMs) throw new UserError('--warn is more than --crit: nothing would be a warning');
    state = 'CRITICAL'; // From here on it is the site that is not as it should be.
    return checkVerdict(await read(), { warnSeconds: warnMs / 1000, critSeconds: critMs / 1000 });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    return { state, message: `${error.message}${hint}`, perfdata: '' };
  }
};

const limitOf = (flag: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new UserError(`${flag} "${text}" is no duration, such as 30m or 12h`);
  return ms;
};
