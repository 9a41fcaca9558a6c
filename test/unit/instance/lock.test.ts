import { execaNode } from 'execa';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idleActivity } from '../../../src/instance/activity.ts';
import { abstractAddress, type LockedSite } from '../../../src/instance/address.ts';
import { answerWith } from '../../../src/instance/answer.ts';
import { askActivity } from '../../../src/instance/ask.ts';
import { lockRoot } from '../../../src/instance/lock.ts';
import { isShared, lockFile } from '../../../src/instance/shared-lock.ts';
import { lockState } from '../../../src/instance/state-lock.ts';

const instance = (name: string): string => new URL(`../../../src/instance/${name}.ts`, import.meta.url).href;

let folder: string;
let site: LockedSite;
let resources: AsyncDisposableStack;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-lock-'));
  site = { name: 'ED1', root: folder, state: `${folder}/state` };
  mkdirSync(site.state);
  resources = new AsyncDisposableStack();
});
afterEach(async () => {
  await resources.disposeAsync();
  rmSync(folder, { recursive: true });
});

const activity = () => idleActivity(new Date(0));

/** A process that runs `script`, until it is killed. */
const child = async (script: string) => {
  writeFileSync(`${folder}/child.mjs`, `${script}; process.send('ready'); setInterval(() => undefined, 1000);`);
  const started = execaNode({ reject: false, ipc: true })`${folder}/child.mjs`;
  resources.defer(async () => {
    started.kill('SIGKILL');
    await started;
  });
  await started.getOneMessage();
  return { pid: started.pid ?? 0, kill: () => started.kill('SIGKILL'), ended: started.then(() => undefined) };
};

/** A program that has the name of the lock, and is no isocket. */
const takeName = async (): Promise<void> => {
  const server = createServer(answerWith(activity)).listen(abstractAddress(site));
  await once(server, 'listening');
  resources.defer(async () => {
    server.close();
    await once(server, 'close');
  });
};

describe('the lock of a root', () => {
  it('is given back while somebody who asked stays connected, and the process ends', async () => {
    writeFileSync(
      `${folder}/holder.mjs`,
      `const { lockRoot } = await import(${JSON.stringify(instance('lock'))});
      const lock = await lockRoot(${JSON.stringify(site)}, () => ({ inFlight: [], held: [] }));
      process.send('ready');
      await new Promise((asked) => process.once('message', asked));
      process.disconnect();
      await lock[Symbol.asyncDispose]();
      console.log('given back');`,
    );
    const holder = execaNode({ reject: false, ipc: true, timeout: 20_000 })`${folder}/holder.mjs`;
    await holder.getOneMessage();
    // It does not end its side, as a process that is stopped.
    const asking = createConnection({ path: abstractAddress(site), allowHalfOpen: true });
    resources.defer(() => void asking.destroy());
    await once(asking, 'data');
    await holder.sendMessage('end');
    expect(await holder).toMatchObject({ exitCode: 0, stdout: 'given back' });
  });

  it('is not taken from an isocket that is stopped: its process id is told', async () => {
    const holder = await child(`
      const { lockRoot } = await import(${JSON.stringify(instance('lock'))});
      await lockRoot(${JSON.stringify(site)}, () => ({}))`);
    process.kill(holder.pid, 'SIGSTOP');
    await expect(lockRoot(site, activity)).rejects.toMatchObject({
      exitCode: 4,
      message: `Did nothing: another isocket already works on "${folder}" (process ${holder.pid})`,
    });
  });

  it('keeps nobody from working who finds its name taken by another program', async () => {
    await takeName();
    const told: string[] = [];
    const held = await lockRoot(site, activity, (message) => told.push(message));
    expect(told).toHaveLength(1);
    await held[Symbol.asyncDispose]();
  });

  it('holds between two that both find its name taken', async () => {
    await takeName();
    const holder = await child(`
      const { lockRoot } = await import(${JSON.stringify(instance('lock'))});
      await lockRoot(${JSON.stringify(site)}, () => ({}))`);
    await expect(lockRoot(site, activity)).rejects.toThrow(`(process ${holder.pid})`);
  });
});

describe('what is said over the lock', () => {
  it('counts only where the process that it names works on the site', async () => {
    await takeName();
    expect(await askActivity(site)).toBeUndefined();
  });

  it('is asked for in the state folder first', async () => {
    await takeName();
    resources.use(await lockState(site, () => ({ ...activity(), watcher: 'mine' })));
    expect(await askActivity(site)).toMatchObject({ watcher: 'mine' });
  });

  it('is said in a folder that only its user may enter', async () => {
    mkdirSync(`${site.state}/lock`);
    chmodSync(`${site.state}/lock`, 0o777);
    resources.use(await lockState(site, activity));
    expect(lstatSync(`${site.state}/lock`).mode & 0o777).toBe(0o700);
    chmodSync(`${site.state}/lock`, 0o777);
    expect(await askActivity(site)).toBeUndefined();
  });
});

describe('the lock of a folder that hosts share', () => {
  it('is a lock on an open file, and ends with its process', async () => {
    const path = `${folder}/hosts.lock`;
    const holder = await child(`
      const { lockFile } = await import(${JSON.stringify(instance('shared-lock'))});
      globalThis.held = lockFile(${JSON.stringify(path)})`);
    expect(lockFile(path)).toBeUndefined();
    holder.kill();
    await holder.ended;
    const held = lockFile(path);
    expect(held).toBeDefined();
    expect(lockFile(path)).toBeUndefined();
    held?.[Symbol.dispose]();
    lockFile(path)?.[Symbol.dispose]();
    expect(isShared('/proc')).toBe(false);
  });
});
