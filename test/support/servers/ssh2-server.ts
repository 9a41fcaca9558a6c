import { constants } from 'node:fs';
import {
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rmdir,
  stat,
  unlink,
  utimes,
  chmod,
  type FileHandle,
} from 'node:fs/promises';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';
import type { TestServer } from '../server.ts';
import { describeServer, makeServerFiles } from './server-process.ts';

const { STATUS_CODE } = ssh2.utils.sftp;

interface OpenHandle {
  readonly file?: FileHandle;
  entries?: { filename: string; longname: string; attrs: Attributes }[];
}

/** Answers from node:fs as requests come, side by side, as servers on ssh2's SFTP class do. */
const serve = (sftp: SFTPWrapper): void => {
  const handles = new Map<number, OpenHandle>();
  let nextHandle = 0;
  const add = (opened: OpenHandle): Buffer => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(nextHandle);
    handles.set(nextHandle, opened);
    nextHandle += 1;
    return handle;
  };
  const get = (handle: Buffer): OpenHandle => {
    const found = handles.get(handle.readUInt32BE());
    if (found === undefined) throw new Error('no such handle');
    return found;
  };
  const file = (handle: Buffer): FileHandle => {
    const found = get(handle).file;
    if (found === undefined) throw new Error('not a file');
    return found;
  };
  const fail = (id: number, error: unknown): void => {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
    else if (code === 'EACCES' || code === 'EPERM') sftp.status(id, STATUS_CODE.PERMISSION_DENIED);
    else sftp.status(id, STATUS_CODE.FAILURE);
  };
  const answer = (id: number, act: () => Promise<unknown>): void => {
    void act().then(
      () => sftp.status(id, STATUS_CODE.OK),
      (error: unknown) => fail(id, error),
    );
  };
  const reply = (id: number, act: () => Promise<void>): void => {
    void act().catch((error: unknown) => fail(id, error));
  };
  const attributesOf = (stats: Awaited<ReturnType<typeof stat>>): Attributes => ({
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    atime: Math.floor(Number(stats.atimeMs) / 1000),
    mtime: Math.floor(Number(stats.mtimeMs) / 1000),
  });

  sftp.on('OPEN', (id, filename, flags, attrs) =>
    reply(id, async () => {
      const mode = (attrs as Partial<Attributes>).mode ?? 0o666;
      const exclusive = (flags & 0x20) !== 0 ? constants.O_EXCL : 0;
      const create = (flags & 8) !== 0 ? constants.O_CREAT : 0;
      const truncate = (flags & 16) !== 0 ? constants.O_TRUNC : 0;
      const access = (flags & 2) === 0 ? constants.O_RDONLY : (flags & 1) === 0 ? constants.O_WRONLY : constants.O_RDWR;
      sftp.handle(id, add({ file: await open(filename, access | create | exclusive | truncate, mode) }));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) => answer(id, () => file(handle).write(data, 0, data.length, offset)));
  sftp.on('READ', (id, handle, offset, length) =>
    reply(id, async () => {
      const { bytesRead, buffer } = await file(handle).read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const { file: opened } = get(handle);
      handles.delete(handle.readUInt32BE());
      await opened?.close();
    }),
  );
  sftp.on('FSTAT', (id, handle) => reply(id, async () => sftp.attrs(id, attributesOf(await file(handle).stat()))));
  sftp.on('FSETSTAT', (id, handle, attrs) =>
    answer(id, async () => {
      const { mode, atime, mtime } = attrs as Partial<Attributes>;
      if (mode !== undefined) await file(handle).chmod(mode);
      if (atime !== undefined && mtime !== undefined) await file(handle).utimes(atime, mtime);
    }),
  );
  sftp.on('SETSTAT', (id, path, attrs) =>
    answer(id, async () => {
      const { mode, atime, mtime } = attrs as Partial<Attributes>;
      if (mode !== undefined) await chmod(path, mode);
      if (atime !== undefined && mtime !== undefined) await utimes(path, atime, mtime);
    }),
  );
  sftp.on('STAT', (id, path) => reply(id, async () => sftp.attrs(id, attributesOf(await stat(path)))));
  sftp.on('LSTAT', (id, path) => reply(id, async () => sftp.attrs(id, attributesOf(await lstat(path)))));
  sftp.on('OPENDIR', (id, path) =>
    reply(id, async () => {
      const names = await readdir(path);
      const entries = await Promise.all(
        names.map(async (filename) => ({
          filename,
          longname: filename,
          attrs: attributesOf(await lstat(`${path}/${filename}`)),
        })),
      );
      sftp.handle(id, add({ entries }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    reply(id, () => {
      const opened = get(handle);
      const entries = opened.entries?.splice(0, 100) ?? [];
      if (entries.length === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.name(id, entries);
      return Promise.resolve();
    }),
  );
  sftp.on('MKDIR', (id, path) => answer(id, () => mkdir(path)));
  sftp.on('RMDIR', (id, path) => answer(id, () => rmdir(path)));
  sftp.on('REMOVE', (id, path) => answer(id, () => unlink(path)));
  sftp.on('RENAME', (id, from, to) => answer(id, () => rename(from, to)));
  sftp.on('REALPATH', (id, path) =>
    reply(id, async () =>
      sftp.name(id, [{ filename: await realpath(path), longname: '', attrs: attributesOf(await stat(path)) }]),
    ),
  );
};

/** The SFTP server that people build of npm's ssh2. */
export const startSsh2Server = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const allowed = ssh2.utils.parseKey(readFileSync(`${made.userKey}.pub`));
  if (allowed instanceof Error) throw allowed;
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [readFileSync(made.hostKey)] }, (client) => {
    clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => clients.delete(client));
    client.on('authentication', (login) => {
      if (login.method !== 'publickey' || !login.key.data.equals(allowed.getPublicSSH()))
        return login.reject(['publickey']);
      if (login.signature === undefined) return login.accept();
      if (allowed.verify(login.blob as Buffer, login.signature, login.hashAlgo)) login.accept();
      else login.reject();
    });
    client.on('session', (accept) => {
      accept().on('sftp', (acceptSftp) => serve(acceptSftp()));
    });
  });
  server.listen(made.port, '127.0.0.1');
  await once(server, 'listening');
  return describeServer(made, {
    dispose: async () => {
      for (const client of clients) client.end();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  });
};
