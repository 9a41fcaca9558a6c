import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';

/** Makes a folder for PATH with links to every command of this machine except those named. */
export const makeBarePath = (folder: string, without: readonly string[]): string => {
  const bin = `${folder}/bin`;
  mkdirSync(bin, { recursive: true });
  for (const from of ['/usr/bin', '/usr/sbin', '/bin', '/sbin']) {
    for (const name of readdirSync(from)) {
      if (without.includes(name) || !existsSync(`${from}/${name}`)) continue;
      if (!existsSync(`${bin}/${name}`)) symlinkSync(`${from}/${name}`, `${bin}/${name}`);
    }
  }
  return bin;
};

export const NODE_COMMANDS = ['node', 'nodejs', 'npm', 'npx', 'corepack'];
