import type { Layer } from './layers.ts';
import type { RemoteTraits } from './traits.ts';

/** Why nothing is sent to a remote: what is sent there would not be there whole or not at all. */
export interface Refusal {
  readonly reason: string;
  readonly hint: string;
}

const ANOTHER = 'use another kind of remote, or put a local folder before it';

/** Pure. undefined: it keeps the promise. @param canForbidCopy whether this rclone can be kept from copying where a move fails */
export const refusalOf = (
  { isAtomic, canMove, lacksBucket }: RemoteTraits,
  layers: readonly Layer[],
  canForbidCopy: boolean,
): Refusal | undefined => {
  // What wraps another remote has a root of its own.
  if (lacksBucket && layers.filter(({ type }) => type !== 'alias').length === 1)
    return {
      reason: 'it names no bucket: each directory would be one',
      hint: 'name the bucket in destination.remote, such as s3:bucket',
    };
  const chunker = layers.find(({ type }) => type === 'chunker');
  if (chunker?.option('meta_format') === 'none')
    return {
      reason: 'a chunker remote with meta_format = none shows a file while its chunks still come',
      hint: 'remove meta_format from this remote in rclone.conf',
    };
  if (chunker !== undefined && !isAtomic)
    return {
      reason: 'chunker renames one chunk after the other there: a file that is replaced would be old and new at once',
      hint: 'do without chunker there, or use it over an object store',
    };
  if (layers.some(({ type, option }) => type === 'cache' && option('tmp_upload_path') !== ''))
    return {
      reason: 'a cache remote with tmp_upload_path says that it has a file before it has uploaded it',
      hint: 'remove tmp_upload_path from this remote in rclone.conf',
    };
  if (isAtomic) return undefined;
  if (!canMove)
    return {
      reason: 'a file that is written there may be seen before it is whole, and the remote gives no file another name',
      hint: ANOTHER,
    };
  if (!canForbidCopy)
    return {
      reason:
        'where a file cannot be given its final name, this rclone writes it under that name, and it may be seen before it is whole',
      hint: 'install rclone 1.55 or newer, or use an object store',
    };
  return undefined;
};
