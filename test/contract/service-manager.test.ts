import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectServiceManager } from '../../src/cli/service-manager.ts';
import { startNotifyListener } from '../support/notify-listener.ts';

const before = process.env.NOTIFY_SOCKET;
let folder: string;
let troubles: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-notify-'));
  troubles = [];
});
afterEach(() => {
  if (before === undefined) delete process.env.NOTIFY_SOCKET;
  else process.env.NOTIFY_SOCKET = before;
  rmSync(folder, { recursive: true });
});

const connect = (env: Record<string, string> = {}) => {
  Object.assign(process.env, env.NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET: env.NOTIFY_SOCKET });
  return connectServiceManager({ env, reportFailure: (message, hint) => troubles.push(`${message}; ${hint}`) });
};

describe('the service manager', () => {
  it('hears each turn of the service, in order', async () => {
    await using listener = await startNotifyListener(folder);
    await using manager = connect({ NOTIFY_SOCKET: listener.path });
    manager.ready('watching 3 directories');
    expect(await listener.next()).toEqual(['READY=1', 'STATUS=watching 3 directories']);
    manager.status('a\nb');
    expect(await listener.next()).toEqual(['STATUS=a b']);
    manager.reloading();
    const [first, second] = await listener.next();
    expect(first).toBe('RELOADING=1');
    expect(second).toMatch(/^MONOTONIC_USEC=\d+$/);
    manager.stopping();
    expect(await listener.next()).toEqual(['STOPPING=1']);
    await manager.flushed();
    expect(troubles).toEqual([]);
  });

  it('hears only the last of what gathered while it was told', async () => {
    await using listener = await startNotifyListener(folder);
    await using manager = connect({ NOTIFY_SOCKET: listener.path });
    for (let count = 0; count < 100; count += 1) manager.status(`sent ${count}`);
    expect(await listener.next()).toEqual(['STATUS=sent 0']);
    expect(await listener.next()).toEqual(['STATUS=sent 99']);
  });

  it('is fed twice in the watchdog’s time while the service is alive, and no more when it is not', async () => {
    await using listener = await startNotifyListener(folder);
    await using manager = connect({ NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '200000' });
    let looks = 0;
    const started = performance.now();
    const { promise: dead, resolve } = Promise.withResolvers<undefined>();
    manager.feedWatchdog(() => {
      looks += 1;
      if (looks === 6) resolve(undefined);
      return looks <= 3;
    });
    for (let count = 0; count < 3; count += 1) expect(await listener.next()).toEqual(['WATCHDOG=1']);
    await dead;
    expect(performance.now() - started).toBeGreaterThan(400);
    manager.stopping();
    // Nothing came in between.
    expect(await listener.next()).toEqual(['STOPPING=1']);
  });

  it('is not fed by a process that the watchdog is not for', async () => {
    await using listener = await startNotifyListener(folder);
    await using manager = connect({ NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' });
    manager.feedWatchdog(() => true);
    manager.stopping();
    expect(await listener.next()).toEqual(['STOPPING=1']);
  });

  it('is left alone where none asked', async () => {
    delete process.env.NOTIFY_SOCKET;
    await using manager = connect({ WATCHDOG_USEC: '1000' });
    manager.feedWatchdog(() => true);
    manager.ready('up');
    await manager.flushed();
    expect(troubles).toEqual([]);
  });

  it('that does not listen is told of once, and stops nothing', async () => {
    await using manager = connect({ NOTIFY_SOCKET: join(folder, 'nobody') });
    manager.ready('up');
    await manager.flushed();
    manager.stopping();
    await manager.flushed();
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toContain('Cannot notify the service manager');
  });
});
