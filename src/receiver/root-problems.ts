import { accessSync, constants } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { ReceiverFigures } from '../core/receiver-figures.ts';
import { plainMessage } from '../errors.ts';

/** Why clients can write nothing; undefined: they can. */
export const whyNotWritable = (root: string): string | undefined => {
  try {
    accessSync(root, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `cannot write into "${root}": ${plainMessage(error)}; let this user write it: clients can only read`;
  }
};

/** The disk of the root, and what is wrong with it. */
export const lookAtRoot = async (root: string): Promise<Pick<ReceiverFigures, 'disk' | 'problems'>> => {
  const disk = await diskOf(root);
  const isFull = disk?.free === 0;
  const full = isFull ? [`no space is left below "${root}"; free some: what clients write is refused`] : [];
  return { disk, problems: [whyNotWritable(root) ?? [], full].flat() };
};

const diskOf = async (root: string): Promise<ReceiverFigures['disk']> => {
  try {
    const { bsize, blocks, bavail } = await statfs(root);
    return { size: bsize * blocks, free: bsize * bavail };
  } catch {
    return undefined; // A disk that is away: it cannot be written either, which is said.
  }
};
