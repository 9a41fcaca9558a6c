#!/usr/bin/env node
// The only file that reads process.argv and sets the exit code. Nothing is imported before the version check:
// an old Node would fail with a syntax error in a dependency.
const OLDEST_NODE = 24;

const version = process.versions.node;
if (Number(version.split('.')[0]) < OLDEST_NODE) {
  process.stderr.write(
    `isocket: cannot run on Node ${version}: Node ${OLDEST_NODE} or newer is needed\n` +
      `  in a clone "npm run …" brings its own; elsewhere install Node ${OLDEST_NODE}, or: npx -p node@${OLDEST_NODE} -p isocket isocket …\n`,
  );
  process.exitCode = 2;
} else {
  // EPIPE: the reader of stdout has closed the pipe and wants no more.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const { run } = await import('./cli/program.ts');
  process.exitCode = await run(process.argv.slice(2));
}

export {};
