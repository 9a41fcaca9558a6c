import { wholeSeconds } from '../../identity.ts';
import type { Name } from '../../name.ts';
import type { ExpectedFile, Transport } from '../../transport.ts';
import type { OfOtherTime } from './directory-plan.ts';

/**
 * Of files that are as big there as here: those whose time there is what the destination makes of the time here (an even second, its first or its last
 * one). Its transport knows, by the rule by which `verify` and the mark of a file go.
 * @param folder of the directories here
 */
export const heldThere = async (
  files: readonly OfOtherTime[],
  { transport, folder, signal }: { readonly transport: Transport; readonly folder: Name; readonly signal: AbortSignal },
): Promise<ReadonlySet<OfOtherTime>> => {
  if (files.length === 0) return new Set();
  const asked = new Map(
    files.map((file): [ExpectedFile, OfOtherTime] => {
      const { path: targetPath } = file.wanted.entry;
      const { size, mtimeNs } = file.stats;
      return [{ sourcePath: `${folder}/${targetPath}`, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) }, file];
    }),
  );
  const wrong = new Set(
    (await transport.verify([...asked.keys()], { checksum: false }, signal)).map(({ file }) => file),
  );
  return new Set([...asked].flatMap(([one, file]) => (wrong.has(one) ? [] : file)));
};
