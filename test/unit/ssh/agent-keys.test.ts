import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentKeys } from '../../../src/ssh/agent-keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-agent-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('has the keys that a real agent has, in pieces of any size', async () => {
  const socket = `${folder}/agent`;
  const started = spawnSync('ssh-agent', ['-s', '-a', socket], { encoding: 'utf8' });
  try {
    expect(await agentKeys(socket)).toEqual([]);
    for (const name of ['one', 'two']) {
      spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/${name}`]);
      spawnSync('ssh-add', ['-q', `${folder}/${name}`], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    }
    const { stdout } = spawnSync('ssh-add', ['-L'], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
      encoding: 'utf8',
    });
    const listed = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1]);
    expect((await agentKeys(socket)).map((key) => key.toString('base64'))).toEqual(listed);
  } finally {
    process.kill(Number(/AGENT_PID=(\d+)/.exec(started.stdout)?.[1]));
  }
});

it.each([
  ['nothing', Buffer.alloc(0), 'it hung up'],
  ['a failure', Buffer.from([0, 0, 0, 1, 5]), 'it refuses to list its keys'],
  ['a list that is cut off', Buffer.from([0, 0, 0, 9, 12, 0, 0, 0, 9, 0, 0, 0, 0]), ''],
])('an agent that answers %s is an error', async (_what, answer, words) => {
  await using agent = createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end(answer),
  ).listen(`${folder}/agent`);
  await once(agent, 'listening');
  await expect(agentKeys(`${folder}/agent`)).rejects.toThrow(words);
});
