import { expect, it } from 'vitest';
import type { IsocketEvent } from '../../../src/core/events.ts';
import { ConnectionHealth } from '../../../src/delivery/connection-health.ts';
import { TransportError } from '../../../src/transport.ts';

const { signal } = new AbortController();

it('what arrives after a destination was given up does not restore it', () => {
  const events: IsocketEvent[] = [];
  const health = new ConnectionHealth({
    destination: 'there',
    retry: { firstMs: 1, mostMs: 1, hold: 1 },
    retryMode: 'pass',
    report: (event) => events.push(event),
  });
  const full = new TransportError('destination-full', 'no space left');
  health.failed(full, signal);
  expect(health.fatal).toBe(full);
  health.succeeded();
  expect(events).toMatchObject([{ type: 'connection', state: 'lost', retrying: false }]);
  expect(health.failure).toBe(full);
});
