import { execa } from 'execa';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `ext4-128`: inodes of 128 bytes, which keep times in whole seconds and no birth time. `plain`: whatever is below the temporary folder. */
export const FILE_SYSTEMS = ['plain', 'tmpfs', '/dev/shm', 'overlayfs', 'ext4-128'] as const;
export type FileSystem = (typeof FILE_SYSTEMS)[number];

const mounts: Readonly<
  Record<FileSystem, (base: string) => Promise<{ readonly at: string; readonly mounted: string[] }>>
> = {
  plain: (base) => Promise.resolve({ at: base, mounted: [] }),
  '/dev/shm': (base) => Promise.resolve({ at: base, mounted: [] }),
  tmpfs: async (base) => {
    await execa('mount', ['-t', 'tmpfs', 'tmpfs', base]);
    return { at: base, mounted: [base] };
  },
  overlayfs: async (base) => {
    await execa('mount', ['-t', 'tmpfs', 'tmpfs', base]);
    const at = (name: string): string => join(base, name);
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name));
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
    await execa('mount', ['-t', 'overlay', '-o', options, 'overlay', at('merged')]);
    return { at: at('merged'), mounted: [at('merged'), base] };
  },
  'ext4-128': async (base) => {
    const [image, at] = [join(base, 'image'), join(base, 'mounted')];
    writeFileSync(image, '');
    truncateSync(image, 32 * 1024 * 1024);
    await execa('mkfs.ext4', ['-q', '-F', '-I', '128', image]);
    mkdirSync(at);
    await execa('mount', ['-o', 'loop', image, at]);
    return { at, mounted: [at] };
  },
};

/** Runs `use` in an empty folder of a file system of that kind, and takes it away afterwards. */
export const onFileSystem = async (kind: FileSystem, use: (folder: string) => Promise<void>): Promise<void> => {
  const base = mkdtempSync(join(kind === '/dev/shm' ? kind : tmpdir(), 'isocket-mount-'));
  const mounted: string[] = [];
  try {
    const made = await mounts[kind](base);
    mounted.push(...made.mounted);
    await use(made.at);
  } finally {
    for (const path of mounted) await execa('umount', ['-l', path], { reject: false });
    rmSync(base, { recursive: true, force: true });
  }
};
