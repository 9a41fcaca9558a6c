import type { RcAnswer } from './rc-client.ts';

/** What a remote can do, of what `operations/fsinfo` tells of it. */
export interface RemoteTraits {
  /** As rclone calls it: "S3 bucket isocket path ED1". */
  readonly description: string;
  /** A file that is uploaded appears when it is whole: it needs no temporary name. */
  readonly isAtomic: boolean;
  /** The first folder of a path is a bucket (or a share), and the remote names none. */
  readonly lacksBucket: boolean;
  /** Gives a file another name by itself. */
  readonly canMove: boolean;
  /** Seconds within which times are kept; undefined: they are not. */
  readonly timesWithin: number | undefined;
  /** A kind of sum that the store has of its files, as rclone names it; undefined: none. */
  readonly hash: string | undefined;
  /** To learn the time of a file costs a request: a listing does not tell it. */
  readonly hasSlowTimes: boolean;
}

/** Of several, the first. All of them can be computed by rclone here. */
const BEST_HASHES = ['sha256', 'sha1', 'md5'];

/** More than any file system rounds to: rclone says a hundred years where times are not kept. */
const NO_TIMES_NS = 365 * 86_400 * 1e9;

/** Pure. */
export const traitsOf = ({
  String: description,
  Precision: precision,
  Hashes: hashes,
  Root: root,
  Features,
}: RcAnswer): RemoteTraits => {
  const features =
    typeof Features === 'object' && Features !== null ? ({ ...Features } as Record<string, unknown>) : {};
  const has = (name: string): boolean => features[name] === true;
  const all = Array.isArray(hashes) ? hashes.filter((one) => typeof one === 'string') : [];
  const precisionNs = typeof precision === 'number' ? precision : Infinity;
  return {
    description: typeof description === 'string' ? description : '',
    isAtomic: isAtomic(features, has),
    lacksBucket: has('BucketBased') && root === '',
    canMove: has('Move'),
    timesWithin: precisionNs < NO_TIMES_NS ? Math.max(1, precisionNs / 1e9) : undefined,
    hash: BEST_HASHES.find((one) => all.includes(one)) ?? all[0],
    hasSlowTimes: has('SlowModTime'),
  };
};

/**
 * Object stores (with whatever wraps them: crypt, chunker, union), and those that have no place for a name before its content (they can have
 * it twice). From 1.63 on rclone says it of itself; before that, smb passes for one with buckets, and has folders. Everything else may
 * show a file that is being written.
 */
const isAtomic = (features: Readonly<Record<string, unknown>>, has: (name: string) => boolean): boolean => {
  if (has('DuplicateFiles')) return true;
  if (!has('BucketBased')) return false;
  return 'PartialUploads' in features ? !has('PartialUploads') : !has('CanHaveEmptyDirectories');
};
