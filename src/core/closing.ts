import type { ClosedBy } from './lifecycle.ts';
import { counted } from './units.ts';

/** What a cycle of work on a directory has established so far. */
export interface CycleFacts {
  /** How the directory is closed now; null: it is open. */
  readonly closedBy: ClosedBy | null;
  /** How it was closed as the last listing began. */
  readonly listedAs: ClosedBy | null;
  /** Listings of this cycle so far. */
  readonly listings: number;
  /** Of the last listing: files that were not sent. */
  readonly unsent: number;
  /** Of these: files that may not be sent yet. */
  readonly heldBack: number;
  /** Of these: names that are reserved for isocket, and can never be sent so. */
  readonly reserved?: number;
  /** Of these: names that the disk does not let us read. */
  readonly unreadable?: number;
  /** Of these: marks without a record that the destination could not be asked for. */
  readonly openClaims: number;
  /** Since the cycle began: files that could not be sent, or failed lately and wait for their turn. */
  readonly failed: number;
  /** Since the cycle began: files that one destination has, and a slower one is still to get. */
  readonly leftBehind?: number;
  /** Files that the destination confirmed and does not have. */
  readonly refuted: number;
  /** A process has a file of the directory open for writing. */
  readonly openForWriting: boolean;
  /** Since anything in it changed, other than by our marks. */
  readonly quietMs: number;
  /** What the last listing showed is checked at every destination. */
  readonly verified: boolean;
  /** The last listing is not from before the verification, and the folders are as it saw them. */
  readonly latest: boolean;
  /** The manifest of just what the last listing showed is still to be delivered. */
  readonly needsManifest?: boolean;
}

export type NextStep =
  | { readonly kind: 'finish' }
  /** Wait for the verification. */
  | { readonly kind: 'verify' }
  /** List it once more, without sending: what is decided last is looked at last. */
  | { readonly kind: 'confirm' }
  /** Deliver the manifest of what is there. */
  | { readonly kind: 'write-manifest' }
  /** List it again, and send what is unsent. */
  | { readonly kind: 'list' }
  /** Nothing more can be done in this cycle. `reason` is undefined for an open directory. `isStuck`: nor in a later one, as it looks. */
  | { readonly kind: 'wait'; readonly reason: string | undefined; readonly isStuck?: true };

/** A parser that keeps touching files of a closed directory keeps it from being finished, and not the pass from ending. */
export const MOST_LISTINGS = 5;
export const KEEPS_CHANGING = 'files in it keep changing';

/**
 * What to do next with a directory (contract.md §2). `finish` implies: it is closed, was so when it was listed, every file is sent and
 * verified, nobody writes, and all of that was seen after the verification.
 */
export const nextStep = (facts: CycleFacts, supersededMs: number): NextStep => {
  if (facts.closedBy === null || facts.closedBy !== facts.listedAs) return wait(undefined);
  if (facts.refuted > 0) {
    // All that it lacks is un-marked first: a mark that stays would pass for sent.
    if (!facts.verified) return { kind: 'verify' };
    // Sent once more in the last listing, they would pass for sent unverified.
    return facts.listings < MOST_LISTINGS - 1
      ? { kind: 'list' }
      : stuck(
          `${counted(facts.refuted, 'file')} that the destination confirmed ${facts.refuted === 1 ? 'is not there as it was' : 'are not there as they were'} sent`,
        );
  }
  if (facts.unsent > 0) return stepForUnsent(facts);
  if (facts.openForWriting) return wait('a file in it is still open for writing');
  if (facts.closedBy === 'superseded' && facts.quietMs < supersededMs) {
    return wait(`superseded, and changed within the last ${supersededMs / 1000} s`);
  }
  if (!facts.verified) return { kind: 'verify' };
  if (facts.latest && facts.needsManifest !== true) return { kind: 'finish' };
  if (facts.listings >= 2 * MOST_LISTINGS) return wait(KEEPS_CHANGING);
  return { kind: facts.latest ? 'write-manifest' : 'confirm' };
};

const stepForUnsent = (facts: CycleFacts): NextStep => {
  const { failed, leftBehind = 0, openClaims, heldBack, reserved = 0, unreadable = 0, unsent, listings } = facts;
  if (leftBehind > 0) return wait(undefined); // Another cycle sends them.
  if (unreadable > 0) return wait(`${counted(unreadable, 'name')} in it cannot be read`);
  if (failed > 0) return wait(`${counted(failed, 'file')} could not be sent`);
  if (openClaims > 0)
    return wait(`${counted(openClaims, 'marked file')} without a record: the destination could not be asked`);
  if (reserved > 0)
    return wait(
      `${counted(reserved, 'name in it is', 'names in it are')} reserved for isocket: rename ${reserved === 1 ? 'it' : 'them'}`,
    );
  if (heldBack === unsent) return wait(`${counted(heldBack, 'file is', 'files are')} still being written`);
  return listings < MOST_LISTINGS ? { kind: 'list' } : wait(KEEPS_CHANGING);
};

const wait = (reason: string | undefined): NextStep => ({ kind: 'wait', reason });
const stuck = (reason: string): NextStep => ({ kind: 'wait', reason, isStuck: true });
