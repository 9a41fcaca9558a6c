import { randomBytes } from 'node:crypto';
import { HashTable } from '../core/hash-table.ts';
import { createRecordHash, type FileState } from './record-hash.ts';

/** Files as they were, whatever their names, in flat memory. */
export interface StateSet {
  readonly add: (state: FileState) => void;
  readonly has: (state: FileState) => boolean;
}

export const createStateSet = (): StateSet => {
  const hash = createRecordHash(randomBytes(8));
  const table = new HashTable({ values: false });
  return {
    add: (state) => table.set(...hash.state(state)),
    has: (state) => table.has(...hash.state(state)),
  };
};
