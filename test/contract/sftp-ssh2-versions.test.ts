import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { expect, it } from 'vitest';
import { OpenFlag } from '../../src/sftp/protocol.ts';
import { prepareCiphers } from '../../src/ssh/internals/ciphers.ts';
import { Ssh2Connection } from '../../src/ssh/ssh2-connection.ts';
import { listEntries as listFolder } from '../../src/transports/sftp/list-folder.ts';
import { startSshd } from '../support/sshd.ts';

/** An object whose methods work, and whose fields of these names are hidden from us. */
const withoutFields = <T extends object>(whole: T, hidden: readonly string[]): T =>
  new Proxy(whole, {
    get: (target, key) => {
      if (hidden.includes(String(key))) return undefined;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

/** A client as an ssh2 has it that lacks these fields of its connections and channels. */
const clientWithout = (client: ssh2.Client, ofClient: readonly string[], ofChannel: readonly string[]): ssh2.Client =>
  new Proxy(withoutFields(client, ofClient), {
    get: (target, key) => {
      if (key !== 'subsys') return Reflect.get(target, key) as unknown;
      return (name: string, done: ssh2.ClientCallback) =>
        client.subsys(name, (error, channel) => done(error, error ? channel : withoutFields(channel, ofChannel)));
    },
  });

// These are private fields of ssh2, and another version may have others: slower then, but as safe.
it.each<[string, readonly string[], readonly string[]]>([
  ['its protocol', ['_protocol'], []],
  ['the windows of its channels', [], ['incoming']],
  ['the ids of its channels', [], ['outgoing']],
])('an ssh2 that hides %s still transfers short replies, listings and content', async (_title, ofClient, ofChannel) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-ssh2-')), (path) => rmSync(path, { recursive: true }));
  const server = stack.use(await startSshd(folder));
  const client = new ssh2.Client();
  const other = clientWithout(client, ofClient, ofChannel);
  prepareCiphers(other);
  const privateKey = readFileSync(server.identityFile);
  const socket = connect(server.port, '127.0.0.1');
  const connection = stack.adopt(new Ssh2Connection(other, socket, 'host'), (open) => open.close());
  client.connect({ sock: socket, username: 'root', privateKey });
  await once(client, 'ready');
  const channel = await connection.openSftp();

  const path = `${server.path}/file`;
  const content = randomBytes(30_000);
  const handle = await channel.open(path, OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREAT, {});
  await channel.write(handle, 0, content);
  expect((await channel.read(handle, 0, content.length))?.equals(content)).toBe(true);
  await channel.close(handle);
  mkdirSync(`${server.folder}/many`);
  const names = Array.from({ length: 500 }, (_, index) => `${'name'.repeat(10)}${index}`);
  for (const name of names) writeFileSync(`${server.folder}/many/${name}`, '');
  const listed: string[] = [];
  for await (const entries of listFolder(channel, `${server.folder}/many`, false))
    listed.push(...entries.map(({ name }) => name));
  expect(listed).toEqual(expect.arrayContaining(names));
  const found = await Promise.all(names.map((name) => channel.lstat(`${server.folder}/many/${name}`)));
  expect(found.filter((attributes) => attributes !== undefined)).toHaveLength(names.length);
});
