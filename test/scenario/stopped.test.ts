import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writtenOrOver } from '../support/far-end.ts';
import { expectAllThere, produce } from '../support/invariant.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type RunningSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const MIB = 1024 * 1024;
const BIG_BYTES = 16 * MIB;

const notesOf = ({ events }: Pick<RunningSite, 'events'>): string[] =>
  events.flatMap((event) => (event.type === 'note' ? [event.message] : []));

/** A server and a folder that go with the test. */
const begin = async (
  stack: AsyncDisposableStack,
  start: (folder: string) => Promise<TestServer>,
): Promise<{ readonly folder: string; readonly server: TestServer }> => {
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-stop-')), (path) => rmSync(path, { recursive: true }));
  return { folder, server: stack.use(await start(folder)) };
};

it.each([
  ['openssh', startSshd, false],
  ['our receiver', startOwnReceiver, true],
] as const)(
  'SIGTERM stops a big file over sftp; the next run goes on where the log says: %s',
  async (_name, start, isCompared) => {
    await using stack = new AsyncDisposableStack();
    const { folder, server } = await begin(stack, start);
    const site = makeSite(folder, server, { more: { send: { durable: false, bandwidth: '16MB/s' } } });
    produce(site.root, 'DC1/big', BIG_BYTES);
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    await using scan = site.start(['scan']);
    expect(await writtenOrOver(server.folder, 2 * MIB, scan)).toBe('written');
    expect(await scan.stop(), scan.stderr()).toBe(143);
    const [, at = ''] =
      /stopped sending "DC1\/big" to \S+, at ([\d.]+) MiB of 16 MiB: the next run goes on from there/.exec(
        notesOf(scan).join('\n'),
      ) ?? [];
    expect(Number(at), notesOf(scan).join('\n')).toBeGreaterThanOrEqual(1);
    const noted = readdirSync(site.state, { recursive: true, encoding: 'utf8' }).find((name) =>
      /checkpoints\/./.test(name),
    );
    const { bytes, temporary } = JSON.parse(readFileSync(`${site.state}/${noted}`, 'utf8')) as {
      readonly bytes: number;
      readonly temporary: string;
    };
    expect(bytes / MIB).toBeCloseTo(Number(at), 1);
    // What is before it is neither sent again nor read back: it stays as it is here.
    const part = openSync(`${server.folder}/DC1/${temporary}`, 'r+');
    writeSync(part, 'here was another process');
    closeSync(part);
    if (isCompared) {
      // It has another SHA-256 than the file here, so it gets no name, and is sent from its beginning.
      const refused = await site.scan();
      expect(refused.summary).toMatchObject({ sent: 0, failed: 1 });
      expect(readdirSync(`${server.folder}/DC1`)).toEqual([]);
    }
    expect((await site.scan()).summary).toMatchObject({ sent: 1, finished: 1 });
    const [sent, arrived] = [readFileSync(`${site.root}/DC1/big`), readFileSync(`${server.folder}/DC1/big`)];
    if (isCompared) {
      expect(arrived.equals(sent)).toBe(true);
      return;
    }
    expect(arrived.subarray(0, 24).toString()).toBe('here was another process');
    expect(arrived.subarray(24).equals(sent.subarray(24))).toBe(true);
  },
);

// Each scan ends 143 with the files of its first signal marked and there.
it.each([
  ['sftp', { transport: 'sftp' }],
  ['rsync', { transport: 'rsync' }],
] as const)('SIGTERM lets the small files in flight end: %s', async (_name, destination) => {
  await using stack = new AsyncDisposableStack();
  const { folder, server } = await begin(stack, startSshd);
  const site = makeSite(folder, server, { destination, more: { send: { durable: false, bandwidth: '2MB/s' } } });
  for (let count = 1; count <= 40; count += 1) produce(site.root, `DC1/f${count}`, 50_000);
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  await using scan = site.start(['scan']);
  expect(await writtenOrOver(server.folder, 50_000, scan)).toBe('written');
  expect(await scan.stop(), scan.stderr()).toBe(143);
  const sent = scan.events.filter(({ type }) => type === 'sent').length;
  expect(sent, JSON.stringify(scan.events)).toBeGreaterThan(0);
  expect(readdirSync(`${server.folder}/DC1`)).toHaveLength(sent);
  expect((await site.scan()).summary).toMatchObject({ sent: 40 - sent, finished: 1 });
  expectAllThere(site.root, server.folder, 1);
});

it('SIGTERM interrupts an rsync with a big file; the next run goes on with what is there', async () => {
  await using stack = new AsyncDisposableStack();
  const { folder, server } = await begin(stack, startSshd);
  const site = makeSite(folder, server, {
    destination: { transport: 'rsync' },
    more: { send: { durable: false, bandwidth: '16MB/s' } },
  });
  produce(site.root, 'DC1/big', BIG_BYTES);
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  await using scan = site.start(['scan']);
  expect(await writtenOrOver(server.folder, 2 * MIB, scan)).toBe('written');
  const begunMs = performance.now();
  expect(await scan.stop(), scan.stderr()).toBe(143);
  expect(performance.now() - begunMs).toBeLessThan(1_500);
  expect(notesOf(scan).join('\n')).toMatch(
    /stopped sending "DC1\/big" to \S+, a file of 16 MiB: rsync keeps what is there, and a later run goes on with it/,
  );
  expect(readdirSync(`${server.folder}/DC1`)).toContainEqual(expect.stringMatching(/^\.isocket-\w+\.part$/));
  expect((await site.scan()).summary).toMatchObject({ sent: 1, finished: 1 });
  expectAllThere(site.root, server.folder, 1);
});
