import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import {
  TransportError,
  wholeSeconds,
  type OutgoingFile,
  type ProbeResult,
  type Transport,
} from '../../src/transport.ts';
import { startWebdav, type TestRemote } from '../support/rclone-remotes.ts';

// rclone's own WebDAV server keeps neither times nor sums, and its client of 1.60 replaces nothing by a move. It stops and starts anew what
// it has listed, and takes a tenth of a second for a file: too slow and too forgetful for the suite.
const { signal } = new AbortController();
let folder: string;
let remote: TestRemote;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-webdav-'));
  remote = await startWebdav(folder);
});
afterEach(async () => {
  await remote[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const connect = (more: Readonly<Record<string, unknown>> = {}): Transport => {
  const options = rclone.parseOptions({ transport: 'rclone', remote: remote.remote, config: remote.config, ...more });
  const context = { site: 'site', owner: '01234567', stateFolder: `${folder}/state`, durable: false, bandwidth: null, log: () => undefined }; // prettier-ignore
  return rclone.connect(options, context);
};

const outgoing = (name: string, content: string): OutgoingFile => {
  mkdirSync(`${folder}/source`, { recursive: true });
  const sourcePath = `${folder}/source/${name}`;
  writeFileSync(sourcePath, content);
  return { sourcePath, targetPath: `DC1/${name}`, mode: 0o640, identity: lstatSync(sourcePath, { bigint: true }) };
};

const different = async (transport: Transport, file: OutgoingFile, checksum: boolean): Promise<string[]> => {
  const { sourcePath, targetPath, identity } = file;
  const expected = { sourcePath, targetPath, size: identity.size, mtimeSeconds: wholeSeconds(identity.mtimeNs) };
  return (await transport.verify([expected], { checksum }, signal)).map(({ kind }) => kind);
};

it('what was sent passes by its size; a claim does not, but by its content', async () => {
  const file = outgoing('file', 'content');
  await using sender = connect();
  await sender.send(file, signal);
  expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('content');
  expect(await different(sender, file, false)).toEqual([]);
  await using other = connect();
  expect(await different(other, file, false)).toEqual(['different']);
  expect(await different(other, file, true)).toEqual([]);
  expect(await different(other, outgoing('file', 'CONTENT'), true)).toEqual(['different']);
});

it('an older file is replaced only where it may be deleted first', async () => {
  await using careful = connect();
  await careful.send(outgoing('file', 'old'), signal);
  const changed = outgoing('file', 'new content');
  const refused = await careful.send(changed, signal).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TransportError);
  expect(refused).toMatchObject({ class: 'file', hint: expect.stringContaining('allowDeleteFirst') as string });
  expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('old');
  await using allowed = connect({ allowDeleteFirst: true });
  await allowed.send(changed, signal);
  expect(readFileSync(`${remote.folder}/DC1/file`, 'utf8')).toBe('new content');
});

it('check says that there is nothing but sizes, and that nothing is replaced', async () => {
  await using transport = connect();
  const found: ProbeResult[] = [];
  for await (const result of transport.probe(signal)) found.push(result);
  expect(found.filter(({ state }) => state !== 'ok').map(({ what, state }) => `${what} ${state}`)).toEqual(['replace warning', 'compared warning']); // prettier-ignore
});
