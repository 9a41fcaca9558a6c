import { lstatSync, mkdirSync, renameSync, rmdirSync, statfsSync, statSync, unlinkSync } from 'node:fs';
import { Packet, Status } from '../sftp/protocol.ts';
import { parseClientPath, showClientPath } from './client-path.ts';
import { assertFileOrFolder, type ResolvedPath } from './confined-folder.ts';
import type { ChangeRules } from './change-rules.ts';
import { alreadyThere, moveIfFree } from './name-if-free.ts';
import { RefusedError } from './refused-error.ts';
import { attributesOf, writeError, writeOk } from './replies.ts';
import { tellRefusal } from './tell-refusal.ts';
import type { RequestTable } from './request-table.ts';
import { CLIENT_BITS, setAttributes } from './set-attributes.ts';

/** The requests on paths. */
export const pathRequests: RequestTable = {
  [Packet.LSTAT]: ({ folder, rules, reply }, id, request) => {
    const stats = folder.at(whereIs(rules, request.bytes()), statsOf);
    reply.begin(Packet.ATTRS).u32(id).attributes(attributesOf(stats)).end();
  },

  [Packet.STAT]: ({ folder, rules, reply }, id, request) => {
    const stats = folder.at(whereIs(rules, request.bytes()), statsOf);
    assertFileOrFolder(stats);
    reply.begin(Packet.ATTRS).u32(id).attributes(attributesOf(stats)).end();
  },

  [Packet.SETSTAT]: ({ folder, rules, reply }, id, request) => {
    const path = whereIs(rules, request.bytes());
    const attributes = request.attributes();
    folder.atFile(path, (resolved) => {
      rules.assertFile(path, () => statSync(resolved));
      setAttributes(resolved, attributes);
    });
    writeOk(reply, id);
  },

  [Packet.REMOVE]: ({ folder, log, rules, reply }, id, request) => {
    const path = request.bytes();
    folder.at(path, (resolved) => {
      rules.assertName(path, () => statsOf(resolved));
      unlinkSync(resolved);
    });
    log.did('removed', path);
    writeOk(reply, id);
  },

  [Packet.MKDIR]: ({ folder, log, reply }, id, request) => {
    const path = request.bytes();
    const mode = (request.attributes().permissions ?? 0o777) & CLIENT_BITS;
    folder.at(path, (resolved) => mkdirSync(resolved, mode));
    log.did('made', path);
    writeOk(reply, id);
  },

  [Packet.RMDIR]: ({ folder, log, rules, reply }, id, request) => {
    const path = request.bytes();
    rules.assertFolder(path);
    folder.at(path, (resolved) => rmdirSync(resolved));
    log.did('removed', path);
    writeOk(reply, id);
  },

  // Without looking at the disk: symlinks are never followed, so there is nothing to resolve.
  [Packet.REALPATH]: ({ reply }, id, request) => {
    const path = showClientPath(parseClientPath(request.bytes()));
    reply.begin(Packet.NAME).u32(id).u32(1).name(path).name(path).attributes({}).end();
  },

  [Packet.RENAME]: ({ folder, log, rules, reply }, id, request) => {
    const from = request.bytes();
    const to = request.bytes();
    folder.atBoth(from, to, (source, target) => {
      rules.assertName(from, () => statsOf(source));
      renameWithoutReplacing(source, target);
    });
    log.renamed(from, to);
    writeOk(reply, id);
  },
};

/** posix-rename@openssh.com: replaces an existing target atomically. */
export const posixRename: RequestTable[number] = (context, id, request) => {
  const { folder, log, rules, reply, isOver } = context;
  const [from, to] = [Buffer.from(request.bytes()), Buffer.from(request.bytes())];
  const later = rules.rename(folder, from, to, isOver);
  if (later === undefined) {
    log.renamed(from, to);
    writeOk(reply, id);
    return undefined;
  }
  return later.then(
    () => {
      log.renamed(from, to);
      writeOk(reply, id);
    },
    (error: unknown) => {
      tellRefusal(log, error, to);
      writeError(reply, id, error);
    },
  );
};

/** statvfs@openssh.com */
export const fileSystemStats: RequestTable[number] = ({ folder, reply }, id, request) => {
  const { bsize, blocks, bfree, bavail, files, ffree } = folder.atFile(request.bytes(), (resolved) =>
    statfsSync(resolved),
  );
  reply.begin(Packet.EXTENDED_REPLY).u32(id);
  // f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail, f_fsid, f_flag, f_namemax
  for (const value of [bsize, bsize, blocks, bfree, bavail, files, ffree, ffree, 0, 0, 255]) reply.u64(value);
  reply.end();
};

/** A file that is still written under another name is there for whoever writes it. */
const whereIs = (rules: ChangeRules, path: Buffer): Buffer => rules.whereIs?.(path) ?? path;

const statsOf = (resolved: ResolvedPath) => {
  const stats = lstatSync(resolved, { throwIfNoEntry: false });
  // Clients often ask for missing files; an error with its stack would cost ten times the call.
  if (!stats) throw noSuchFile;
  return stats;
};

const noSuchFile = new RefusedError(Status.NO_SUCH_FILE, 'no such file or directory');

/** SFTP 3 never replaces: link fails where the name exists. Folders cannot be linked, so the name is checked first. */
const renameWithoutReplacing = (source: ResolvedPath, target: ResolvedPath): void => {
  if (statsOf(source).isFile()) {
    moveIfFree(source, target);
    return;
  }
  if (lstatSync(target, { throwIfNoEntry: false })) throw alreadyThere();
  renameSync(source, target);
};
