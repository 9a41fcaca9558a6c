import { closeSync, constants, lstatSync, opendirSync, openSync, type Dir, type Stats } from 'node:fs';
import { decodeName, fsPath, type Name } from '../name.ts';
import { Packet, Status } from '../sftp/protocol.ts';
import { longName } from './long-name.ts';
import { RefusedError } from './refused-error.ts';
import { attributesOf } from './replies.ts';
import type { RequestTable } from './request-table.ts';

/** As OpenSSH. Even with names of 255 bytes, and their long names, the reply stays below a quarter of the largest packet. */
const ENTRIES_PER_REPLY = 100;

/** The requests that list a folder. Entries "." and ".." are left out: every client skips them. */
export const directoryRequests: RequestTable = {
  [Packet.OPENDIR]: ({ folder, handles, reply }, id, request) => {
    handles.assertRoom();
    const fd = folder.at(request.bytes(), (resolved) =>
      openSync(resolved, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
    );
    const handle = handles.add({ fd, listing: openListing(fd) });
    reply.begin(Packet.HANDLE).u32(id).bytes(handle).end();
  },

  [Packet.READDIR]: ({ handles, reply }, id, request) => {
    const { fd, listing } = handles.get(request.bytes());
    if (!listing) throw new RefusedError(Status.FAILURE, 'not a directory handle');
    const entries = nextEntries(fd, listing);
    if (entries.length === 0) throw new RefusedError(Status.EOF, 'End of file');
    const now = Date.now();
    reply.begin(Packet.NAME).u32(id).u32(entries.length);
    for (const { name, stats } of entries) {
      reply
        .name(name)
        .name(longName(name, stats, now))
        .attributes(attributesOf(stats));
    }
    reply.end();
  },
};

/** @throws the system's error; the descriptor is closed then */
const openListing = (fd: number): Dir => {
  try {
    // Names are bytes. Node accepts 'buffer' here; its type definitions do not, hence the cast and the variable.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: ENTRIES_PER_REPLY };
    return opendirSync(`/proc/self/fd/${fd}`, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

const nextEntries = (fd: number, listing: Dir): { name: Name; stats: Stats }[] => {
  const entries: { name: Name; stats: Stats }[] = [];
  while (entries.length < ENTRIES_PER_REPLY) {
    const entry = listing.readSync();
    if (!entry) break;
    const raw: unknown = entry.name;
    const name = Buffer.isBuffer(raw) ? decodeName(raw) : entry.name;
    const stats = lstatSync(fsPath(`/proc/self/fd/${fd}/${name}`), { throwIfNoEntry: false });
    // It may have been removed since it was listed.
    if (stats) entries.push({ name, stats });
  }
  return entries;
};
