import { expect, it, vi } from 'vitest';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { findRemoteSums } from '../../../src/transports/sftp/remote-sums.ts';

it('a server that neither runs nor refuses a command is not waited for', async () => {
  vi.useFakeTimers();
  try {
    const openExec = vi.fn<Channels['openExec']>(() => new Promise(() => undefined));
    const finding = findRemoteSums({ openExec }, new AbortController().signal);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await finding).toBeUndefined();
    expect(openExec).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});
