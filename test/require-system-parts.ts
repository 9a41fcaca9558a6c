import { existsSync, readFileSync } from 'node:fs';

// The suite never skips a test: where a program is missing it stops here, with the command that installs it.
const parts = readFileSync(new URL('system-parts', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('/'))
  .map((line) => line.split(' '));
const missing = parts.filter(([path = '']) => !existsSync(path)).map(([, name]) => name);

if (missing.length > 0) {
  console.error(
    `Cannot run the tests: programs are missing. Install them:\n  sudo apt-get install -y ${[...new Set(missing)].join(' ')}`,
  );
  process.exitCode = 1;
} else if (process.geteuid?.() !== 0) {
  console.error('Cannot run the tests as this user: they start sshd and become other users. Run: sudo ./test/all');
  process.exitCode = 1;
}
