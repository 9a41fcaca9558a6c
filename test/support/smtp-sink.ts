import { execa } from 'execa';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { freePort } from './ports.ts';

/** Postfix's server that keeps what it is sent. */
export interface SmtpSink extends AsyncDisposable {
  readonly url: string;
  /** Head and body of each mail so far. */
  readonly mails: () => string[];
}

/** @param folder in which it makes one of its own */
export const startSmtpSink = async (folder: string): Promise<SmtpSink> => {
  const port = await freePort();
  const kept = `${folder}/mails`;
  mkdirSync(kept);
  chmodSync(kept, 0o777);
  const child = execa('/usr/sbin/smtp-sink', ['-u', 'nobody', '-d', `${kept}/m.`, `127.0.0.1:${port}`, '16'], {
    reject: false,
  });
  await expect.poll(() => answers(port)).toBe(true);
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails: () => readdirSync(kept).map((name) => readFileSync(`${kept}/${name}`, 'utf8')),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child;
    },
  };
};

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
