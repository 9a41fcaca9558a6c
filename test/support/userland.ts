import { execa } from 'execa';
import { mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { NODE_COMMANDS } from './bare-path.ts';

/** This machine's Debian as it was before isocket: without Node, users of ours, state and cron entries. What changes in it is gone with it. */
export interface Userland extends AsyncDisposable {
  /** Runs a command in it, as root. */
  run(...command: readonly string[]): ReturnType<typeof start>;
  /** Where this process sees a path of it. */
  at(path: string): string;
}

const start = (pid: number, root: string, command: readonly string[]) =>
  execa('nsenter', ['--target', String(pid), '--mount', 'chroot', root, ...command], {
    reject: false,
    extendEnv: false,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root' },
    stdin: 'ignore',
  });

// The upper layer is in memory, as an overlay cannot be one of another; what is big goes to the disk: /usr/local.
const SCRIPT = `
set -e
mount --make-rprivate /
mount -t tmpfs upper "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work" "$1/layers/root"
root=$1/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layers/upper,workdir=$1/layers/work" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mkdir -p "$root$1"
mount --bind "$1" "$root$1"
mount --bind "$1/local" "$root/usr/local"
for name in ${NODE_COMMANDS.join(' ')}; do rm -rf "$root/usr/bin/$name" "$root/bin/$name"; done
rm -rf "$root/var/lib/isocket" "$root/etc/isocket" "$root"/etc/cron.d/* "$root"/var/spool/cron/crontabs/*
: >"$root/etc/crontab"
echo "$root"
exec sleep infinity`;

/** @param folder its files in \`/usr/local\` are below it, and it is seen in there under its own path */
export const startUserland = async (folder: string): Promise<Userland> => {
  for (const name of ['layers', 'local']) mkdirSync(`${folder}/${name}`);
  const holder = execa('unshare', ['--mount', 'sh', '-c', SCRIPT, 'sh', folder], {
    reject: false,
    buffer: { stdout: false },
  });
  const stop = async (): Promise<void> => {
    holder.kill('SIGKILL');
    await holder;
  };
  for await (const root of createInterface(holder.stdout)) {
    const pid = holder.pid ?? 0;
    const at = (path: string): string => `/proc/${pid}/root${root}${path}`;
    return { run: (...command) => start(pid, root, command), at, [Symbol.asyncDispose]: stop };
  }
  throw new Error(`no userland: ${(await holder).stderr}`);
};

/** What a unit and its drop-ins say: the last value of each key. */
export const readUnit = (paths: readonly string[], instance: string): ReadonlyMap<string, string> =>
  new Map(
    paths
      .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
      .flatMap((line): [string, string][] => {
        const [, key = '', value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
        return key === '' ? [] : [[key, value.replaceAll('%i', instance).replaceAll('%E', '/etc')]];
      }),
  );
