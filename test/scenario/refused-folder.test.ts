import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeReadOnly } from '../support/break-folder.ts';
import { produce } from '../support/invariant.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

it.each(['sftp', 'rsync'])(
  '%s: a folder that the destination refuses to make concerns its files alone',
  async (transport) => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-refused-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const server = stack.use(await startSshd(folder));
    const site = makeSite(folder, server, { destination: { transport } });
    mkdirSync(`${server.folder}/DC1/locked`, { recursive: true });
    stack.use(await makeReadOnly(`${server.folder}/DC1/locked`));
    for (let count = 1; count <= 3; count += 1) produce(site.root, `DC1/locked/new${count}/file`, 10);
    for (let count = 1; count <= 30; count += 1) produce(site.root, `DC1/f${count}`, 100);
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    const { exitCode, events, summary } = await site.scan();
    expect(exitCode).toBe(3);
    expect(summary).toMatchObject({ sent: 30, finished: 0 });
    expect(events.filter(({ type }) => type === 'connection')).toEqual([]);
    const failed = events.filter((event) => event.type === 'failed');
    expect(failed.map(({ path }) => path).sort()).toEqual([1, 2, 3].map((count) => `DC1/locked/new${count}/file`));
    for (const event of failed)
      expect(event).toMatchObject({ class: 'file', message: expect.stringMatching(/folder|mkdir/) as string });
  },
);
