import type { ActionLog } from './client-log.ts';
import type { ChangeRules } from './change-rules.ts';
import type { PacketReader } from '../sftp/packet-reader.ts';
import type { PacketWriter } from '../sftp/packet-writer.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import type { Handles } from './handles.ts';

/** What a request handler works on. */
export interface RequestContext {
  readonly folder: ConfinedFolder;
  readonly handles: Handles;
  readonly rules: ChangeRules;
  /** Is told what was done. */
  readonly log: ActionLog;
  /** Gets the one reply. Nothing may be written before the reply is certain: a partial packet cannot be withdrawn. */
  readonly reply: PacketWriter;
  /** The client has gone: no reply is heard. undefined: it has not. */
  readonly isOver?: () => boolean;
  /**
   * Lets the requests that follow be served while this one waits: its reply comes when it comes. The work must not reject. Where it is
   * missing, such a request is served as any other.
   */
  readonly aside?: (work: Promise<void>) => void;
}

/**
 * Serves one kind of request: reads its fields, acts, writes one reply. An error that it throws becomes the reply, except
 * `MalformedPacketError`. A promise means that the reply comes later; it must not reject.
 */
export type RequestHandler = (context: RequestContext, id: number, request: PacketReader) => Promise<void> | undefined;

/** By packet type. */
export type RequestTable = Readonly<Record<number, RequestHandler>>;
