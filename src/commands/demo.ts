import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compareDirectory } from '../demo/same-trees.ts';
import { runParser } from '../demo/parser.ts';
import { UserError } from '../errors.ts';
import type { IsocketEvent, Report } from '../events.ts';
import type { CommonOptions } from '../program.ts';
import { loadHostKey, parseHostKey } from '../receiver/host-key.ts';
import { startReceiver, type Receiver } from '../receiver/receiver.ts';
import { listenForShutdown } from '../shutdown.ts';
import { runPass } from '../site.ts';
import { formatBytes } from '../units.ts';
import { openSite } from './open-site.ts';

const PASS_EVERY_MS = 400;
const DIRECTORIES = 3;

/** `isocket demo`: the main job before one's eyes, on a receiver of our own. Resolves with the exit code. */
export const demo = async (options: CommonOptions & { readonly keep?: boolean }): Promise<number> => {
  using shutdown = listenForShutdown();
  const say = (line: string): void => {
    if (options.json !== true) process.stdout.write(`${line}\n`);
  };
  const folder = mkdtempSync(join(tmpdir(), 'isocket-demo-'));
  try {
    await using receiver = await startDemoReceiver(folder);
    const config = writeSite(folder, receiver.port);
    say(`site     ${config}`);
    say(`receiver sftp://127.0.0.1:${receiver.port} into ${folder}/offsite`);
    const report: Report =
      options.json === true ? (event) => process.stdout.write(`${JSON.stringify(event)}\n`) : tellOn(say);
    await shipUntilFinished(folder, config, report, say, shutdown.signal);
    return shutdown.exitCode ?? prove(folder, say);
  } finally {
    if (options.keep === true) say(`kept     ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
};

const startDemoReceiver = (folder: string): Promise<Receiver> => {
  mkdirSync(`${folder}/datas`);
  mkdirSync(`${folder}/offsite`);
  const publicLine = (key: string): string => `ssh-ed25519 ${parseHostKey(key).getPublicSSH().toString('base64')}`;
  const hostKey = loadHostKey(`${folder}/host_key`);
  const clientKey = loadHostKey(`${folder}/client_key`);
  writeFileSync(`${folder}/host_key.pub`, publicLine(hostKey));
  return startReceiver({
    root: `${folder}/offsite`,
    host: '127.0.0.1',
    port: 0,
    authorizedKeys: publicLine(clientKey),
    hostKey,
    log: () => undefined,
  });
};

/** Returns the path of the configuration. */
const writeSite = (folder: string, port: number): string => {
  const hostKey = parseHostKey(loadHostKey(`${folder}/host_key`))
    .getPublicSSH()
    .toString('base64');
  writeFileSync(`${folder}/known_hosts`, `[127.0.0.1]:${port} ssh-ed25519 ${hostKey}\n`);
  const path = `${folder}/.isocketrc`;
  writeFileSync(
    path,
    `site: demo
source: { root: ${folder}/datas, tag: DC, settle: 500ms, superseded: 1s }
destination:
  transport: sftp
  host: 127.0.0.1
  port: ${port}
  user: demo
  path: /
  identityFile: ${folder}/client_key
  knownHosts: ${folder}/known_hosts
state: ${folder}/state
`,
  );
  return path;
};

const shipUntilFinished = async (
  folder: string,
  config: string,
  report: Report,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  let finished = 0;
  const count: Report = (event) => {
    if (event.type === 'finished') finished += 1;
    report(event);
  };
  // A parser that fails ends the demo: its last directory would never be finished.
  const stop = new AbortController();
  const parser = runParser(`${folder}/datas`, say, signal).catch((error: unknown) => {
    stop.abort();
    if (!signal.aborted) throw error;
  });
  await using site = await openSite({ config }, count);
  const ends = AbortSignal.any([signal, stop.signal]);
  while (!ends.aborted && finished < DIRECTORIES) {
    const { complete } = await runPass({ ...site, report: count, signal });
    if (!complete && !signal.aborted) throw new UserError('The demo could not send its files', { exitCode: 3 });
    await delay(PASS_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  await parser;
};

/** One line for what a person wants to see; files are summed up. */
const tellOn = (say: (line: string) => void): Report => {
  let files = 0;
  let bytes = 0;
  return (event: IsocketEvent) => {
    if (event.type === 'sent') {
      files += 1;
      bytes += event.bytes;
    }
    if (event.type === 'failed') say(`isocket  ${event.message}`);
    if (event.type === 'line' && event.state === 'lost') say(`isocket  ${event.message}`);
    if (event.type !== 'finished') return;
    say(
      `isocket  ${event.directory} is finished: ${event.files} files, ${formatBytes(event.bytes)}, closed by ${event.closedBy === 'parser' ? 'finished.parse' : 'a newer directory'} (${files} files, ${formatBytes(bytes)} sent so far)`,
    );
  };
};

const prove = (folder: string, say: (line: string) => void): number => {
  let wrong = 0;
  for (const name of ['DC1', 'DC2', 'DC3']) {
    const { files, bytes, differences } = compareDirectory(`${folder}/datas/${name}`, `${folder}/offsite/${name}`);
    for (const difference of differences) say(`compare  ${name}/${difference}`);
    if (differences.length === 0)
      say(`compare  ${name}: ${files} files, ${formatBytes(bytes)}, equal byte for byte, every file marked`);
    wrong += differences.length;
  }
  say(
    wrong === 0
      ? 'done     everything the parser wrote is off-site, once, whole, provably'
      : `done     ${wrong} DIFFERENCES`,
  );
  return wrong === 0 ? 0 : 1;
};
