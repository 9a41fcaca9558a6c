import type { Config, ReceiveSection } from '../../config/config.ts';
import { distrust, TRUST_CURE } from '../../config/trusted-file.ts';
import type { Report } from '../../core/events.ts';
import { systemErrorCode } from '../../errors.ts';

/**
 * The configuration without what would let whoever can write it run commands, or write files, as the user that runs isocket: as modules of
 * transports, commands are obeyed only where that user or root wrote them. All else of it holds.
 */
export const obeyedConfig = (config: Config, path: string, report: Report): Config => {
  const { hooks, log, status } = config;
  const left = [
    ...(hooks.finished === null ? [] : ['hooks.finished']),
    ...(hooks.alert === null ? [] : ['hooks.alert']),
    ...(log.file === null ? [] : ['log.file']),
    ...(status.textfile === null ? [] : ['status.textfile']),
  ];
  const because = left.length === 0 ? undefined : whyNot(path);
  if (because === undefined) return config;
  const message = `Cannot obey ${left.join(', ')} of configuration "${path}": ${because}; ${TRUST_CURE}. Files are sent without`;
  report({ type: 'note', level: 'warning', message });
  return {
    ...config,
    hooks: { ...hooks, finished: null, alert: null },
    log: { ...log, file: null },
    status: { ...status, textfile: null },
  };
};

/** As `obeyedConfig`. */
export const obeyedReceiveSection = (section: ReceiveSection, path: string, report: Report): ReceiveSection => {
  const because = section.status.textfile === null ? undefined : whyNot(path);
  if (because === undefined) return section;
  const message = `Cannot obey receive.status.textfile of configuration "${path}": ${because}; ${TRUST_CURE}. Files are received without`;
  report({ type: 'note', level: 'warning', message });
  return { ...section, status: { ...section.status, textfile: null } };
};

const whyNot = (path: string): string | undefined => {
  try {
    return distrust(path);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return 'nobody can say whose it is';
  }
};
