import { constants, fstatSync, fsync, readSync, writeSync } from 'node:fs';
import { OpenFlag, Packet, Status } from '../sftp/protocol.ts';
import { RefusedError } from './refused-error.ts';
import { CLIENT_BITS, setAttributes } from './set-attributes.ts';
import { attributesOf, writeError, writeOk } from './replies.ts';
import type { RequestTable } from './request-table.ts';

/** As OpenSSH: the largest packet less room for its header. */
export const MAX_DATA_BYTES = 255 * 1024;

/** Shared by all sessions: it is filled and copied within one request. */
const readBuffer = Buffer.allocUnsafeSlow(MAX_DATA_BYTES);

/** OPEN, and the requests on open handles. */
export const fileRequests: RequestTable = {
  [Packet.OPEN]: ({ folder, handles, rules, reply }, id, request) => {
    const path = request.bytes();
    const flags = openFlags(request.u32());
    const mode = (request.attributes().permissions ?? 0o666) & CLIENT_BITS;
    handles.assertRoom();
    const opened = folder.at(path, (resolved) => rules.open(path, resolved, flags, mode));
    // A view of the packet: kept, it is copied.
    const isWriter = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
    const handle = handles.add(isWriter ? { ...opened, path: Buffer.from(path) } : opened);
    reply.begin(Packet.HANDLE).u32(id).bytes(handle).end();
  },

  [Packet.CLOSE]: ({ handles, log, reply }, id, request) => {
    const { path, written = 0, hasFailed } = handles.close(request.bytes());
    if (path !== undefined) log.wrote(path, written, hasFailed === true ? 'cut' : 'wrote');
    writeOk(reply, id);
  },

  [Packet.READ]: ({ handles, log, reply }, id, request) => {
    const { fd } = handles.get(request.bytes());
    const offset = request.u64();
    const length = Math.min(request.u32(), MAX_DATA_BYTES);
    const read = readSync(fd, readBuffer, 0, length, offset);
    if (read === 0 && length > 0) throw new RefusedError(Status.EOF, 'End of file');
    log.read(read);
    reply.begin(Packet.DATA).u32(id).bytes(readBuffer.subarray(0, read)).end();
  },

  [Packet.WRITE]: ({ handles, rules, reply }, id, request) => {
    const handle = handles.get(request.bytes());
    rules.assertHandle(handle);
    const offset = request.u64();
    const data = request.bytes();
    try {
      // A write may be partial, as on a disk that fills up: writing the rest then reports the error.
      for (let done = 0; done < data.length;)
        done += writeSync(handle.fd, data, done, data.length - done, offset + done);
    } catch (error) {
      handle.hasFailed = true;
      throw error;
    }
    handle.written = (handle.written ?? 0) + data.length;
    writeOk(reply, id);
  },

  [Packet.FSTAT]: ({ handles, reply }, id, request) => {
    const { fd } = handles.get(request.bytes());
    reply
      .begin(Packet.ATTRS)
      .u32(id)
      .attributes(attributesOf(fstatSync(fd)))
      .end();
  },

  [Packet.FSETSTAT]: ({ handles, rules, reply }, id, request) => {
    const handle = handles.get(request.bytes());
    rules.assertHandle(handle);
    setAttributes(handle.fd, request.attributes());
    writeOk(reply, id);
  },
};

/** fsync@openssh.com. Asynchronous: it waits for the disk, and must not block the other channels meanwhile. */
export const syncHandle: RequestTable[number] = ({ handles, reply }, id, request) => {
  const { fd } = handles.get(request.bytes());
  return new Promise((resolve) => {
    fsync(fd, (error) => {
      if (error) writeError(reply, id, error);
      else writeOk(reply, id);
      resolve();
    });
  });
};

const openFlags = (wanted: number): number => {
  const read = (wanted & OpenFlag.READ) !== 0;
  const write = (wanted & OpenFlag.WRITE) !== 0;
  return (
    (read && write ? constants.O_RDWR : write ? constants.O_WRONLY : constants.O_RDONLY) |
    (wanted & OpenFlag.APPEND ? constants.O_APPEND : 0) |
    (wanted & OpenFlag.CREAT ? constants.O_CREAT : 0) |
    (wanted & OpenFlag.TRUNC ? constants.O_TRUNC : 0) |
    (wanted & OpenFlag.EXCL ? constants.O_EXCL : 0)
  );
};
