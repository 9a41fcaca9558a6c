import { decodeName } from '../name.ts';
import type { FileEvent } from './file-events.ts';

/** How `inotifywait` ends a record: NUL from 3.20.11 on, a newline before. */
export type RecordTerminator = '\0' | '\n';

export interface RecordReader {
  /** The events of the records completed by this chunk. */
  read(chunk: Buffer): FileEvent[];
}

const TAB = 0x09;
/** Bytes: a file name (255) plus the longest event list, with a wide margin. */
const LONGEST_RECORD = 4096;

/** Parses "EVENTS<TAB>NAME<TERMINATOR>" records from arbitrary chunks. Names may hold any byte. */
export const createRecordReader = (recordTerminator: RecordTerminator): RecordReader => {
  const end = recordTerminator.charCodeAt(0);
  let rest: Buffer = Buffer.alloc(0);
  return {
    read: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const events: FileEvent[] = [];
      let start = 0;
      for (let at = bytes.indexOf(end); at !== -1; at = bytes.indexOf(end, start)) {
        const event = readRecord(bytes.subarray(start, at));
        // A name with a newline was split: the record before this one held only its first part.
        if (event === 'unknown') events.splice(-1, 1, UNKNOWN);
        else if (event !== undefined) events.push(event);
        if (isCloseOfUnnamed(event)) events.push(UNKNOWN);
        start = at + 1;
      }
      // A copy: a subarray would keep the whole chunk alive.
      rest = Buffer.from(bytes.subarray(start));
      if (rest.length > LONGEST_RECORD) {
        rest = Buffer.alloc(0);
        events.push(UNKNOWN);
      }
      return withoutRedundantHints(events);
    },
  };
};

const UNKNOWN: FileEvent = { kind: 'hint', path: undefined };

/**
 * A file of O_TMPFILE that got its name while it was open: its close is reported as of "#INODE", and which name it has now is not.
 * (A file may be called so: then its close is reported as well.)
 */
const isCloseOfUnnamed = (event: FileEvent | 'unknown' | undefined): boolean =>
  typeof event === 'object' && event.kind === 'closed' && /^#\d+$/.test(event.path);

const readRecord = (record: Buffer): FileEvent | 'unknown' | undefined => {
  const tab = record.indexOf(TAB);
  if (tab === -1) return 'unknown';
  const words = record.toString('latin1', 0, tab).split(',');
  if (!words.every((word) => /^[A-Z_]+$/.test(word))) return 'unknown';
  const has = (word: string): boolean => words.includes(word);
  if (has('Q_OVERFLOW')) return { kind: 'rescan', path: '', why: 'overflow' };
  if (has('DELETE_SELF') || has('MOVE_SELF') || has('UNMOUNT')) return { kind: 'gone' };
  const path = decodeName(record.subarray(tab + 1));
  if (path === '') return undefined;
  if (has('ISDIR')) return { kind: 'folder', path };
  if (has('CLOSE_WRITE') || has('MOVED_TO')) return { kind: 'closed', path };
  return has('CREATE') ? { kind: 'hint', path } : undefined;
};

/** A file created and closed within one chunk is reported once. (Links are only created, never closed.) */
const withoutRedundantHints = (events: readonly FileEvent[]): FileEvent[] => {
  const closed = new Set(events.map((event) => (event.kind === 'closed' ? event.path : undefined)));
  return events.filter((event) => event.kind !== 'hint' || event.path === undefined || !closed.has(event.path));
};
