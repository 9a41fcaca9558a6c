import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_LISTINGS, nextStep, type CycleFacts } from '../../../src/core/closing.ts';

const SUPERSEDED_MS = 30_000;

const whole: CycleFacts = {
  closedBy: 'parser',
  listedAs: 'parser',
  listings: 1,
  unsent: 0,
  heldBack: 0,
  openClaims: 0,
  failed: 0,
  refuted: 0,
  openForWriting: false,
  quietMs: 0,
  verified: true,
  latest: true,
};
const superseded = { closedBy: 'superseded', listedAs: 'superseded' } as const;

describe('nextStep', () => {
  it.each<[string, Partial<CycleFacts>, string]>([
    ['all sent and verified, closed by the parser', {}, 'finish'],
    ['an open directory', { closedBy: null, listedAs: null }, 'wait'],
    ['closed since the listing began', { listedAs: null }, 'wait'],
    ['no longer closed', { closedBy: null }, 'wait'],
    ['closed in another way since', { listedAs: 'superseded' }, 'wait'],
    ['not verified yet', { verified: false }, 'verify'],
    ['verified, and listed before that', { latest: false }, 'confirm'],
    ['folders that keep changing', { latest: false, listings: 2 * MOST_LISTINGS }, 'wait'],
    ['a file open for writing', { openForWriting: true }, 'wait'],
    ['superseded, and just changed', { ...superseded, quietMs: SUPERSEDED_MS - 1 }, 'wait'],
    ['superseded, and quiet', { ...superseded, quietMs: SUPERSEDED_MS }, 'finish'],
    ['files that were sent meanwhile', { unsent: 3 }, 'list'],
    ['files that are sent again and again', { unsent: 3, listings: MOST_LISTINGS }, 'wait'],
    ['a file that could not be sent', { unsent: 3, failed: 1 }, 'wait'],
    ['files that are still being written', { unsent: 3, heldBack: 3 }, 'wait'],
    ['some files still being written', { unsent: 3, heldBack: 2 }, 'list'],
    ['a claim that could not be asked', { unsent: 3, openClaims: 1 }, 'wait'],
    ['a reserved name', { unsent: 1, heldBack: 1, reserved: 1 }, 'wait'],
    ['a file that the destination lost', { refuted: 1 }, 'list'],
    ['a file that the destination lost, and others to be checked', { refuted: 1, verified: false }, 'verify'],
    ['a file that the destination loses again and again', { refuted: 1, listings: MOST_LISTINGS - 1 }, 'wait'],
  ])('%s', (_title, facts, kind) => {
    expect(nextStep({ ...whole, ...facts }, SUPERSEDED_MS).kind).toBe(kind);
  });

  it('finishes only what is closed, listed as such, sent, verified, not being written and looked at last', () => {
    const closing = fc.constantFrom('parser' as const, 'superseded' as const, null);
    const count = fc.nat(6);
    const facts = fc.record({
      closedBy: closing,
      listedAs: closing,
      listings: count,
      unsent: count,
      heldBack: count,
      openClaims: count,
      failed: count,
      refuted: count,
      openForWriting: fc.boolean(),
      quietMs: fc.integer({ min: -10, max: 100 }),
      verified: fc.boolean(),
      latest: fc.boolean(),
    });
    fc.assert(
      fc.property(facts, fc.nat(50), (one, supersededMs) => {
        if (nextStep(one, supersededMs).kind !== 'finish') return;
        expect(one).toMatchObject({ unsent: 0, refuted: 0, openForWriting: false, verified: true, latest: true });
        expect(one.listedAs).toBe(one.closedBy);
        expect(one.closedBy).not.toBeNull();
        if (one.closedBy === 'superseded') expect(one.quietMs).toBeGreaterThanOrEqual(supersededMs);
      }),
      { numRuns: 2000 },
    );
  });
});
