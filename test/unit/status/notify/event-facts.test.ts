import { describe, expect, it } from 'vitest';
import { unfinishableIn } from '../../../../src/core/overview.ts';
import { nextStep } from '../../../../src/core/closing.ts';
import { conditionsOf } from '../../../../src/status/notify/conditions.ts';
import { decide } from '../../../../src/status/notify/decide.ts';
import { EventFacts } from '../../../../src/status/notify/event-facts.ts';

const held = (directory: string, reason: string) => [{ directory, count: 1, first: directory, reason }];

describe('a destination that is down', () => {
  it('is so since the first event that said it, whatever reason came after, and until one says that it is over', () => {
    let nowMs = 1000;
    const facts = new EventFacts(() => nowMs);
    const lost = { type: 'connection', destination: 'h', state: 'lost', message: 'm', retrying: true } as const;
    facts.note({ ...lost, class: 'network' });
    nowMs = 5000;
    facts.note({ ...lost, class: 'auth' });
    expect(facts.down).toMatchObject([{ destination: 'h', refused: true, sinceMs: 1000 }]);
    facts.note({ type: 'connection', destination: 'h', state: 'restored' });
    facts.note({ ...lost, class: 'network' });
    expect(facts.down).toMatchObject([{ sinceMs: 5000 }]);
    const before = { wholeMs: 0, downMs: new Map<string, number>(), raised: [] };
    const seen = { down: facts.down, held: [], late: [], isWhole: false };
    const limits = { unsentMs: null, downMs: 0, successMs: null, silentMs: null, held: true, late: true, umask: true };
    expect(decide(before, seen, limits, 9000).state.downMs).toEqual(new Map([['h', 5000]]));
  });
});

describe('a directory that nothing but a person can finish', () => {
  it('is held from the event that says so until it is finished, or waits for something else', () => {
    const facts = new EventFacts();
    facts.note({ type: 'unfinished', directory: 'DC1', reason: 'not there', isStuck: true });
    facts.note({ type: 'unfinished', directory: 'DC2', reason: 'still being written' });
    expect(facts.held).toEqual(held('DC1', 'not there'));
    expect(facts.unworkable).toEqual([{ path: 'DC1', reason: 'not there' }]);
    facts.note({ type: 'finished', directory: 'DC1', closedBy: 'parser', files: 1, bytes: 1 });
    expect([facts.held, facts.unworkable]).toEqual([[], []]);
    facts.note({ type: 'unfinished', directory: 'DC1', reason: 'not there', isStuck: true });
    facts.note({ type: 'unfinished', directory: 'DC1', reason: 'still being written' });
    expect(facts.held).toEqual([]);
  });

  it('is one whose files a destination confirms again and again, and does not have', () => {
    const facts = {
      closedBy: 'parser',
      listedAs: 'parser',
      listings: 4,
      unsent: 0,
      heldBack: 0,
      openClaims: 0,
      failed: 0,
      refuted: 1,
      openForWriting: false,
      quietMs: 0,
      verified: true,
      latest: true,
    } as const;
    expect(nextStep(facts, 0)).toMatchObject({ kind: 'wait', isStuck: true });
    expect(nextStep({ ...facts, refuted: 0, openForWriting: true }, 0)).not.toHaveProperty('isStuck');
  });

  it('is one that is closed, and holds names that isocket needs itself: one alert, of the kind held', () => {
    const counts = [
      { directory: 'DC1', phase: 'closed', reserved: ['finished.parse'] },
      { directory: 'DC2', phase: 'closed', reserved: ['finished.watch', 'sub/.isocket-x.part'] },
      { directory: 'DC3', phase: 'open', reserved: ['finished.watch'] },
      { directory: 'DC4', phase: 'closed', reserved: [] },
    ];
    const limits = { unsentMs: null, downMs: null, successMs: null, silentMs: null, late: true, umask: true };
    const facts = { down: [], held: held('DC2', 'no'), late: [], isWhole: false };
    const seen = { ...facts, unfinishable: unfinishableIn(counts) };
    const since = { downMs: new Map<string, number>(), wholeMs: 0 };
    expect(conditionsOf(seen, since, { ...limits, held: true }, 0)).toEqual([
      expect.objectContaining({ kind: 'held', subject: 'DC2' }),
      {
        kind: 'held',
        subject: 'DC1',
        message: 'DC1 cannot be finished: rename finished.parse, a name that isocket needs itself',
      },
    ]);
    expect(conditionsOf(seen, since, { ...limits, held: false }, 0)).toEqual([]);
  });
});
