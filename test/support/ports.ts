import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

// Test files run side by side. Each worker hands out ports of a range of its own, so that no two tests are given the same one; the
// ranges lie below the one from which Linux takes the ports of clients (32768 and up), so that no connection takes one by chance.
const FIRST = 20_000;
const PER_WORKER = 1_000;
const WORKERS = 12;

const first = FIRST + (Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS) * PER_WORKER;
/** Each test file begins elsewhere: a port that the file before has just released is not the first one to be given out again. */
let next = Math.floor(Math.random() * PER_WORKER);

/** A port of 127.0.0.1 on which nobody listens, and that no other test is given. */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < PER_WORKER; attempt += 1) {
    const port = first + next;
    next = (next + 1) % PER_WORKER;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${first} to ${first + PER_WORKER - 1}`);
};

/** Another program of this machine may listen there. */
const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  const outcome = new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false));
  });
  server.listen(port, '127.0.0.1');
  if (!(await outcome)) return false;
  server.close();
  await once(server, 'close');
  return true;
};

/** Resolves when something listens on the port; rejects when `died` returns why nothing ever will. */
export const listening = async (port: number, died: () => string | undefined): Promise<void> => {
  for (;;) {
    const reason = died();
    if (reason !== undefined) throw new Error(reason);
    const socket = createConnection(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await delay(10);
  }
};
