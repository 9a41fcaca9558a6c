import { RateMeter } from '../../core/rate-meter.ts';
import type { IsocketEvent } from '../../core/events.ts';
import { counted, formatBytes, formatDuration, formatShare } from '../../core/units.ts';

/** What a line of progress shows. */
export interface ProgressState {
  readonly doneFiles: number;
  readonly doneBytes: number;
  /** What is to be done, as far as it is known; undefined: nobody says, as in the daemon. */
  readonly all: { readonly files: number; readonly bytes: number; readonly isFinal: boolean } | undefined;
  /** Directories that are looked through one after another. */
  readonly directories: { readonly done: number; readonly all: number } | undefined;
  readonly bytesPerSecond: number | undefined;
  /** The rate says what is to come. */
  readonly isSteady: boolean;
  /** Since the first of it. */
  readonly elapsedMs: number;
}

const MAX_BAR = 40;
/** A shorter bar shows nothing. */
const MIN_BAR = 5;
/** What would be left longer than this at the present rate is not told: nobody knows. */
const MOST_LEFT_MS = 100 * 86_400_000;

/**
 * `[####------] 1/4 files, 1 of 4 KiB, 512 B/s, 6.0 s left`: without the bar, then without the amounts, and then without the rate, where so
 * many columns have no room for them. Pure.
 */
export const progressLine = (state: ProgressState, columns: number): string => {
  const pieces = piecesOf(state);
  let text = pieces.join(', ');
  while (text.length > columns && pieces.length > 1) {
    pieces.splice(pieces.length > 2 ? 1 : -1, 1); // The amounts go first: rate and time left say more.
    text = pieces.join(', ');
  }
  const done = shareOf(state);
  const bar = Math.min(MAX_BAR, columns - text.length - '[] '.length);
  if (done === undefined || bar < MIN_BAR) return text;
  const filled = Math.floor(bar * done);
  return `[${'#'.repeat(filled)}${'-'.repeat(bar - filled)}] ${text}`;
};

const piecesOf = (state: ProgressState): string[] => {
  const { doneFiles, doneBytes, all, directories, bytesPerSecond, elapsedMs } = state;
  const rate = bytesPerSecond === undefined ? [] : [`${formatBytes(Math.round(bytesPerSecond))}/s`];
  if (directories !== undefined && all === undefined)
    return [
      `${directories.done}/${counted(directories.all, 'directory', 'directories')}`,
      counted(doneFiles, 'file'),
      formatBytes(doneBytes),
      ...rate,
      formatDuration(elapsedMs),
    ];
  if (all === undefined) return [`${counted(doneFiles, 'file')} sent`, formatBytes(doneBytes), ...rate];
  const soFar = all.isFinal ? '' : ' so far';
  const left = leftMs(state);
  return [
    `${doneFiles}/${counted(all.files, 'file')}`,
    `${formatShare(doneBytes, all.bytes)}${soFar}`,
    ...rate,
    ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
  ];
};

const leftMs = ({ doneBytes, all, bytesPerSecond, isSteady }: ProgressState): number | undefined => {
  if (all?.isFinal !== true || !isSteady || bytesPerSecond === undefined || bytesPerSecond === 0) return undefined;
  const ms = ((all.bytes - doneBytes) / bytesPerSecond) * 1000;
  return ms > MOST_LEFT_MS ? undefined : ms;
};

const shareOf = ({ doneFiles, doneBytes, all, directories }: ProgressState): number | undefined => {
  if (all === undefined)
    return directories === undefined ? undefined : directories.all === 0 ? 1 : directories.done / directories.all;
  if (all.bytes > 0) return doneBytes / all.bytes;
  return all.files === 0 ? 0 : doneFiles / all.files;
};

/** Keeps count of what events tell. */
export class Progress {
  readonly #rate = new RateMeter();
  readonly #isEndless: boolean;
  readonly #done = { files: 0, bytes: 0 };
  readonly #found = { files: 0, bytes: 0 };
  #isFinal = false;
  #begunMs: number | undefined;
  #directories: { done: number; readonly all: number } | undefined;

  /** @param isEndless what is done is told, and not of how much: there is always more to come */
  constructor(isEndless: boolean) {
    this.#isEndless = isEndless;
  }

  /** Returns whether there is something to show. */
  note(event: IsocketEvent): boolean {
    switch (event.type) {
      case 'found':
        this.#found.files += event.files;
        this.#found.bytes += event.bytes;
        break;
      case 'found-all':
        this.#isFinal = true;
        break;
      case 'sent':
      case 'restored':
        this.#done.files += 1;
        this.#done.bytes += event.bytes;
        break;
      case 'directories':
        this.#directories = { done: 0, all: event.count };
        if (event.total !== undefined) Object.assign(this.#found, event.total);
        this.#isFinal = event.total !== undefined;
        break;
      case 'compared':
        this.#done.files += event.files;
        this.#done.bytes += event.bytes;
        break;
      case 'looked-through':
        if (this.#directories !== undefined) this.#directories.done += 1;
        break;
      default:
        return false;
    }
    return this.#found.files + this.#done.files + (this.#directories?.all ?? 0) > 0;
  }

  /** @param partialBytes of files that are not done */
  state(partialBytes: number, nowMs: number): ProgressState {
    const { files, bytes } = this.#done;
    const doneBytes = bytes + partialBytes;
    this.#rate.note(doneBytes, nowMs);
    // Nobody announces the files that are named to `send`.
    const all = {
      files: Math.max(this.#found.files, files),
      bytes: Math.max(this.#found.bytes, doneBytes),
      isFinal: this.#isFinal,
    };
    const isCounted = this.#directories === undefined || this.#isFinal;
    return {
      doneFiles: files,
      doneBytes,
      all: this.#isEndless || !isCounted ? undefined : all,
      directories: this.#directories,
      bytesPerSecond: this.#rate.perSecond(doneBytes, nowMs),
      isSteady: this.#rate.isSteady(nowMs),
      elapsedMs: nowMs - (this.#begunMs ??= nowMs),
    };
  }
}
