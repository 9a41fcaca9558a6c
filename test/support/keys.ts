import { execa } from 'execa';
import { readFile } from 'node:fs/promises';

/** Makes a key pair at `path` and `path.pub`; returns the public line. */
export const makeKey = async (path: string): Promise<string> => {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'isocket-test', '-f', path]);
  return (await readFile(`${path}.pub`, 'utf8')).trim();
};
