import { execa } from 'execa';

/** The descendants of a process that have this command name, such as the sftp-server or rsync processes of an sshd. */
export const childrenOf = async (pid: number, name: string): Promise<number[]> => {
  const { stdout } = await execa('ps', ['-e', '-o', 'pid=,ppid=,comm=']);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  const below = new Set([String(pid)]);
  for (let pass = 0; pass < 4; pass += 1) {
    for (const [child = '', parent = ''] of rows) if (below.has(parent)) below.add(child);
  }
  return rows
    .filter(([child = '', , comm]) => child !== String(pid) && below.has(child) && comm === name)
    .map(([child]) => Number(child));
};
