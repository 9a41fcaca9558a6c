import { execaNode } from 'execa';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idleActivity } from '../../../src/instance/activity.ts';
import type { LockedSite } from '../../../src/instance/address.ts';
import { askActivity } from '../../../src/instance/ask.ts';
import { lockState } from '../../../src/instance/state-lock.ts';

const STATE_LOCK = new URL('../../../src/instance/state-lock.ts', import.meta.url).href;

let folder: string;
let site: LockedSite;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-state-lock-'));
  // Longer than the address of a socket may be.
  site = { name: 'ED1', root: folder, state: `${folder}/${'long'.repeat(40)}` };
  mkdirSync(site.state);
});
afterEach(() => rmSync(folder, { recursive: true }));

const lock = (): Promise<AsyncDisposable> => lockState(site, () => idleActivity(new Date(0)));
const sockets = (): string[] => readdirSync(`${site.state}/lock`);

describe('the lock of a state folder', () => {
  it('refuses a second process with exit code 4, answers for the first, and is free after it', async () => {
    expect(await askActivity(site)).toBeUndefined();
    const first = await lock();
    await expect(lock()).rejects.toMatchObject({
      exitCode: 4,
      message: `Did nothing: another isocket already works on "${folder}"`,
    });
    expect(await askActivity(site)).toMatchObject({ pid: process.pid });
    await first[Symbol.asyncDispose]();
    expect(sockets()).toEqual([]);
    const second = await lock();
    expect(sockets()).toHaveLength(1);
    await second[Symbol.asyncDispose]();
  });

  it('is held by one of many that start together', async () => {
    for (let round = 1; round <= 10; round += 1) {
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, lock));
      const held = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      expect(held).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ exitCode: 4 });
      await held[0]?.[Symbol.asyncDispose]();
      expect(sockets()).toEqual([]);
    }
  });

  it('is free after kill -9, and what was left is removed', async () => {
    const script = `
      const { lockState } = await import(${JSON.stringify(STATE_LOCK)});
      await lockState(${JSON.stringify(site)}, () => ({}));
      process.send('held');
      setInterval(() => undefined, 1000);`;
    writeFileSync(`${folder}/hold.mjs`, script);
    const child = execaNode({ reject: false, ipc: true })`${folder}/hold.mjs`;
    await child.getOneMessage();
    await expect(lock()).rejects.toMatchObject({ exitCode: 4 });
    child.kill('SIGKILL');
    await child;
    expect(sockets()).toHaveLength(1);
    const held = await lock();
    expect(sockets()).toHaveLength(1);
    await held[Symbol.asyncDispose]();
  });

  it('is not taken from a process that lives and does not answer', async () => {
    mkdirSync(`${site.state}/lock`);
    const short = `${folder}/s`;
    const silent = createServer(() => undefined).listen(short);
    await once(silent, 'listening');
    renameSync(short, `${site.state}/lock/silent`);
    await expect(lock()).rejects.toMatchObject({ exitCode: 4 });
    expect(sockets()).toEqual(['silent']);
    silent.close();
  });
});
