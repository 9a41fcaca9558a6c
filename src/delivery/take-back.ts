import { unmarkIfThere } from '../marks/mark.ts';
import { inNoState } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import type { SiteContext } from './context.ts';

/**
 * What a destination does not have as it was sent goes again: its mark is taken off. Was there any?
 * @param refuted what was found there, by the path below the directory
 */
export const takeBack = (
  refuted: ReadonlyMap<Name, string>,
  directory: Name,
  record: Pick<MarkRecord, 'add'>,
  { config, report }: Pick<SiteContext, 'config' | 'report'>,
): boolean => {
  for (const [path, detail] of refuted) {
    const targetPath = `${directory}/${path}`;
    const unmarked = unmarkIfThere(config.source.root, targetPath);
    if (unmarked === undefined) continue;
    // Marked under another of its names it would be in the state of the record again, within a tick.
    record.add(path, inNoState(unmarked.after));
    report({ type: 'refuted', path: targetPath, detail });
  }
  return refuted.size > 0;
};
