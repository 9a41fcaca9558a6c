import { describe, expect, it } from 'vitest';
import { manPage } from '../../../src/cli/manual/man-page.ts';
import { RECEIVE_HELP } from '../../../src/cli/receive-help.ts';
import { Admission, DEFAULT_LIMITS } from '../../../src/receiver/admission.ts';
import { RefusalLog } from '../../../src/receiver/refusal-log.ts';

const limits = {
  ...DEFAULT_LIMITS,
  logins: 4,
  loginsPerAddress: 3,
  connections: 5,
  connectionsPerAddress: 4,
  connectionsPerKey: 2,
};

describe('those who have not logged in', () => {
  it('push out the oldest of their own address', () => {
    const admission = new Admission<string>(limits);
    for (const one of ['a1', 'a2', 'a3']) expect(admission.enter(one, 'a')).toBeUndefined();
    expect(admission.enter('b1', 'b')).toBeUndefined();
    expect(admission.enter('a4', 'a')).toMatchObject({
      leaving: 'a1',
      reason: expect.stringContaining('limits.loginsPerAddress') as string,
    });
  });

  it('push out the oldest of the address with the most where there is no room', () => {
    const admission = new Admission<string>(limits);
    for (const one of ['b1', 'a1', 'a2', 'a3']) admission.enter(one, one.charAt(0));
    const reason =
      '4 connections that have not logged in may be open (limits.logins), and it was the oldest of its address';
    expect(admission.enter('c1', 'c')).toEqual({ leaving: 'a1', reason });
    expect(admission.enter('c2', 'c')?.leaving).toBe('a2');
    expect(admission.waiting).toBe(4);
  });
});

describe('those who log in', () => {
  it('are limited by key, by address and in all; one that leaves makes room', () => {
    const admission = new Admission<string>(limits);
    const logIn = (one: string, address: string, key: string) => {
      admission.enter(one, address);
      const refusal = admission.logIn(one, key);
      if (refusal !== undefined) admission.leave(one);
      return refusal;
    };
    expect([logIn('1', 'a', 'k'), logIn('2', 'a', 'k')]).toEqual([undefined, undefined]);
    expect(logIn('3', 'b', 'k')).toMatch(/limits.connectionsPerKey/);
    expect([logIn('4', 'a', 'l'), logIn('5', 'a', 'l')]).toEqual([undefined, undefined]);
    expect(logIn('6', 'a', 'm')).toMatch(/limits.connectionsPerAddress/);
    expect(logIn('7', 'b', 'm')).toBeUndefined();
    expect(logIn('8', 'c', 'n')).toMatch(/limits.connections\)/);
    admission.leave('1');
    expect(logIn('9', 'c', 'k')).toBeUndefined();
    expect(admission.members).toBe(5);
    admission.limits = { ...limits, connections: 1 };
    expect(logIn('10', 'd', 'o')).toBe('1 connection in all is open (limits.connections)');
  });
});

it('the help and the manual name the limits as they are, and the signals', () => {
  const counts = Object.entries(DEFAULT_LIMITS).filter(([key]) => !key.endsWith('Ms'));
  for (const text of [JSON.stringify(RECEIVE_HELP), manPage('1.0.0')])
    for (const word of [...counts.map(([key, value]) => `${key}: ${value}`), 'SIGHUP', 'SIGTERM'])
      expect.soft(text).toContain(word);
});

it('of many refusals of one kind one is told, and the others in one event', () => {
  const told: (number | undefined)[] = [];
  const log = new RefusalLog(({ more }) => told.push(more));
  for (let count = 0; count < 1000; count += 1) log.add('kind', { type: 'client', action: 'refused', client: 'a:1' });
  expect(told).toEqual([undefined]);
  log[Symbol.dispose]();
  expect(told).toEqual([undefined, 999]);
});
