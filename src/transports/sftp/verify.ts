import { constants, open } from 'node:fs/promises';
import { OpenFlag } from '../../sftp/protocol.ts';
import { fsPath, type Discrepancy, type ExpectedFile } from '../../transport.ts';
import { firstDifference } from './compare.ts';
import type { Session } from './session.ts';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Looks at each file under its final name: size and whole-second mtime, and every byte where `checksum` is asked. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const seen = await Promise.all(files.map((file) => checkAttributes(session, file)));
  const found = seen.filter((discrepancy) => discrepancy !== undefined);
  if (!checksum) return found;
  const wrong = new Set(found.map(({ file }) => file));
  // One after the other: a single file already keeps the line busy.
  for (const file of files) {
    signal.throwIfAborted();
    if (!wrong.has(file) && !(await hasSameContent(session, file))) {
      found.push({ file, kind: 'different', detail: 'the content differs' });
    }
  }
  return found;
};

const checkAttributes = async (
  { channels, options }: Session,
  file: ExpectedFile,
): Promise<Discrepancy | undefined> => {
  const attributes = await channels.least().lstat(`${options.path}/${file.targetPath}`);
  if (attributes === undefined) return { file, kind: 'missing', detail: 'it is not there' };
  const { size = 0, permissions = S_IFREG, mtime } = attributes;
  const different = (detail: string): Discrepancy => ({ file, kind: 'different', detail });
  if ((permissions & S_IFMT) !== S_IFREG) return different('it is not a regular file');
  if (BigInt(size) !== file.size) return different(`it has ${size} bytes, not ${file.size}`);
  const wanted = Number(file.mtimeNs / 1_000_000_000n);
  return mtime === wanted ? undefined : different(`its mtime is ${mtime}, not ${wanted}`);
};

const hasSameContent = async ({ channels, options }: Session, file: ExpectedFile): Promise<boolean> => {
  await using source = await open(fsPath(file.sourcePath), constants.O_RDONLY | constants.O_NOFOLLOW);
  const channel = channels.least();
  const handle = await channel.open(`${options.path}/${file.targetPath}`, OpenFlag.READ, {});
  try {
    const size = Number(file.size);
    return (await firstDifference(channel, handle, source, 0, size)) === size;
  } finally {
    await channel.close(handle);
  }
};
