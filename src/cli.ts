#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=20 --initial-heap-size=48 --external-memory-accounted-in-global-limit
// The flags keep the heap near its live size: each file leaves some kilobytes of garbage, and by default V8 lets the heap of a large
// machine grow to 200 MB before it collects. 8 MiB for each half of the young generation: smaller re-scans in-flight objects at each
// minor GC, larger showed no gain. The old generation is collected when it has grown by a fifth, but not before it has 48 MB: with so
// little in it that costs more than it gains. Buffers count as a part of it: by themselves they have a limit of 64 MB, and a big file made
// a full collection of each 64 MB that it sent. V8 reads them only at its start, so whoever starts Node by itself gives them again
// (install.sh, package.json); without them isocket works, and takes more memory.
//
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
  const { ensureHome } = await import('./host/home.ts');
  ensureHome();
  const { noteUnprinted, unprintedReason } = await import('./cli/unprinted.ts');
  process.stdout.on('error', noteUnprinted);
  process.stderr.on('error', () => undefined); // There is nowhere left to say so; the exit code stands.
  const { run } = await import('./cli/program.ts');
  const exitCode = await run(process.argv.slice(2));
  await new Promise((resolve) => setImmediate(resolve)); // A stream reports its failure in the next turn.
  const reason = unprintedReason();
  if (reason !== undefined) process.stderr.write(`isocket: Cannot print the result: ${reason}\n`);
  process.exitCode = reason !== undefined && exitCode === 0 ? 2 : exitCode;
  // What a defect left running must not keep the process: a service manager starts it again when it has ended.
  if (exitCode === 1) setTimeout(() => process.exit(1), 5000).unref();
}

export {};
