import { existsSync } from 'node:fs';

// The suite never skips: where a part is missing it stops here, with the line that installs it.
const PARTS: readonly (readonly [string, string])[] = [
  ['/usr/sbin/sshd', 'openssh-server'],
  ['/usr/lib/openssh/sftp-server', 'openssh-sftp-server'],
  ['/usr/bin/ssh', 'openssh-client'],
  ['/usr/bin/setpriv', 'util-linux'],
  ['/usr/bin/unshare', 'util-linux'],
  ['/usr/bin/chattr', 'e2fsprogs'],
  ['/usr/bin/rsync', 'rsync'],
  ['/usr/bin/rrsync', 'rsync'],
  ['/usr/bin/inotifywait', 'inotify-tools'],
  ['/usr/bin/systemd-notify', 'systemd'],
  ['/usr/bin/systemd-analyze', 'systemd'],
  ['/usr/bin/python3', 'python3'],
  ['/usr/bin/setfacl', 'acl'],
  ['/usr/sbin/cron', 'cron'],
  ['/usr/bin/shellcheck', 'shellcheck'],
  ['/usr/bin/dash', 'dash'],
  ['/usr/bin/script', 'bsdutils'],
  ['/usr/bin/faketime', 'faketime'],
  ['/usr/bin/strace', 'strace'],
  ['/usr/bin/prlimit', 'util-linux'],
  ['/usr/bin/ps', 'procps'],
  ['/usr/bin/mount', 'mount'],
];

const missing = [...new Set(PARTS.filter(([path]) => !existsSync(path)).map(([, name]) => name))];
if (missing.length > 0) {
  console.error(
    `npm test: cannot run: system parts are missing. Install them:\n  sudo apt-get install -y ${missing.join(' ')}`,
  );
  process.exitCode = 1;
} else if (process.geteuid?.() !== 0) {
  console.error(
    'npm test: cannot run: the scenarios start sshd and become other users. Run it as root: sudo ./test/all',
  );
  process.exitCode = 1;
}
