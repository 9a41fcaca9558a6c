import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../../daemon/daemon.ts';
import { compareDirectory } from '../demo/same-trees.ts';
import { runParser } from '../demo/parser.ts';
import type { IsocketEvent, Report } from '../../core/events.ts';
import type { CommonOptions } from '../options.ts';
import { loadHostKey, parseHostKey } from '../../receiver/host-key.ts';
import { startReceiver, type Receiver } from '../../receiver/receiver.ts';
import { createProgressReporter } from '../reporters/progress-reporter.ts';
import type { Reporter } from '../reporters/reporter.ts';
import { canRedraw } from '../reporters/terminal-line.ts';
import { listenForShutdown } from '../shutdown.ts';
import { counted, formatBytes } from '../../core/units.ts';
import { chooseSource } from '../../watcher/choose-source.ts';
import { findWatcherFacts, openWatcher } from '../../watcher/watcher.ts';
import { openSite } from './open-site.ts';

const DIRECTORIES = 3;

/** `isocket demo`: the main job, live, on an embedded receiver. Resolves with the exit code. */
export const demo = async (options: CommonOptions & { readonly keep?: boolean }): Promise<number> => {
  using shutdown = listenForShutdown();
  const { report, say, close } = openScreen(options.json === true);
  const folder = mkdtempSync(join(tmpdir(), 'isocket-demo-'));
  try {
    await using receiver = await startDemoReceiver(folder);
    const config = writeSite(folder, receiver.port);
    say(`site     ${config}`);
    say(`receiver sftp://127.0.0.1:${receiver.port} into ${folder}/offsite`);
    await shipUntilFinished(folder, config, report, say, shutdown.signal);
    close();
    return shutdown.exitCode ?? compareAll(folder, say);
  } finally {
    close();
    if (options.keep === true) say(`kept     ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
};

interface Screen {
  readonly report: Report;
  readonly say: (line: string) => void;
  /** Nothing more is sent. */
  readonly close: () => void;
}

/** On a terminal with a line that shows what was sent so far. */
const openScreen = (isJson: boolean): Screen => {
  const close = (): void => undefined;
  if (isJson)
    return {
      report: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
      say: () => undefined,
      close,
    };
  let write = (text: string): unknown => process.stdout.write(text);
  const say = (line: string): void => void write(`${line}\n`);
  const text: Reporter = { report: printEvents(say), end: close };
  if (!canRedraw(process.stdout, process.env.TERM)) return { report: text.report, say, close };
  const openText = (print: (text: string) => void): Reporter => {
    write = print;
    return text;
  };
  const { report, end } = createProgressReporter({ terminal: process.stdout, openText, isEndless: true });
  return { report, say, close: end };
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
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  let finished = 0;
  const count: Report = (event) => {
    report(event);
    if (event.type === 'finished' && (finished += 1) === DIRECTORIES) done.abort();
  };
  const tellTrouble = (message: string, hint: string): void => say(`isocket  ${message}; ${hint}`);
  await using site = await openSite({ config }, count);
  const choice = chooseSource(site.config.source.watcher, await findWatcherFacts());
  await using watcher = openWatcher(choice, { reportFailure: tellTrouble });
  say(`watching by ${choice.source}`);
  const daemon = new Daemon({ ...site, watcher, report: count, signal: stop });
  // A failed parser ends the demo: its last directory would never be finished.
  const parser = runParser(`${folder}/datas`, say, signal).catch((error: unknown) => {
    done.abort();
    if (!signal.aborted) throw error;
  });
  await daemon.run();
  await parser;
};

/** Prints one line for each notable event; sent files are only counted. */
const printEvents = (say: (line: string) => void): Report => {
  let files = 0;
  let bytes = 0;
  return (event: IsocketEvent) => {
    if (event.type === 'sent') {
      files += 1;
      bytes += event.bytes;
    }
    if (event.type === 'failed') say(`isocket  ${event.message}`);
    if (event.type === 'connection' && event.state === 'lost') say(`isocket  ${event.message}`);
    if (event.type !== 'finished') return;
    say(
      `isocket  ${event.directory} is finished: ${counted(event.files, 'file')}, ${formatBytes(event.bytes)}, closed by ${event.closedBy === 'parser' ? 'finished.parse' : 'a newer directory'} (${counted(files, 'file')}, ${formatBytes(bytes)} sent so far)`,
    );
  };
};

const compareAll = (folder: string, say: (line: string) => void): number => {
  let wrong = 0;
  for (const name of ['DC1', 'DC2', 'DC3']) {
    const { files, bytes, differences } = compareDirectory(`${folder}/datas/${name}`, `${folder}/offsite/${name}`);
    for (const difference of differences) say(`compare  ${name}/${difference}`);
    if (differences.length === 0)
      say(`compare  ${name}: ${counted(files, 'file')}, ${formatBytes(bytes)}, equal byte for byte, every file marked`);
    wrong += differences.length;
  }
  say(
    wrong === 0
      ? 'done     everything the parser wrote is off-site, once, whole, provably'
      : `done     ${wrong} DIFFERENCES`,
  );
  return wrong === 0 ? 0 : 1;
};
