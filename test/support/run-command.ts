import { vi } from 'vitest';

export interface Ran {
  readonly code: number;
  /** All that it has written. */
  readonly said: string;
}

/** Runs a command of isocket in this process. */
export const runCommand = async (command: () => Promise<number>): Promise<Ran> => {
  let said = '';
  const write = (chunk: unknown): boolean => {
    said += String(chunk);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(write));
  try {
    return { code: await command(), said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
};
