import { once } from 'node:events';
import { lstatSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { plainMessage, systemErrorCode, UserError } from '../../errors.ts';
import { encodeName, fsPath, showName, type Name } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import { nameCompleteFiles } from '../../daemon/name-complete-files.ts';
import { listenForShutdown } from '../shutdown.ts';
import { whenUnread } from '../unprinted.ts';
import { chooseSource } from '../../watcher/choose-source.ts';
import { findWatcherFacts, openWatcher } from '../../watcher/watcher.ts';
import { readConfig } from './open-site.ts';
import { openOutput } from './output.ts';
import { belowRoot } from './site-path.ts';

/** `isocket watch DIR`: prints the names of complete files on stdout. Resolves with the exit code. */
export const watch = async (dir: string, options: CommonOptions & { readonly null?: boolean }): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const { report } = output;
  const config = await readConfig(options, report);
  const directory = findDirectory(dir, config.source.root);
  const tellTrouble = (message: string, hint: string): void =>
    report({ type: 'note', level: 'warning', message: `${message}; ${hint}` });
  await using watcher = openWatcher(chooseSource(config.source.watcher, await findWatcherFacts()), {
    reportFailure: tellTrouble,
  });
  const signal = AbortSignal.any([shutdown.signal, whenUnread()]);
  const name = async (path: Name): Promise<void> => {
    if (options.json === true) report({ type: 'complete', path });
    else if (!process.stdout.write(Buffer.concat([encodeName(path), Buffer.from(options.null === true ? '\0' : '\n')])))
      await once(process.stdout, 'drain', { signal }).catch(() => undefined);
  };
  try {
    await nameCompleteFiles(directory, { config, watcher, name, signal });
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw new UserError(`Cannot watch "${showName(directory)}": ${plainMessage(error)}`, {
      hint: 'let this user read it and all folders in it',
      exitCode: 3,
      cause: error,
    });
  }
  return shutdown.exitCode ?? 0;
};

/** A directory of the root, or any other by its path. */
const findDirectory = (dir: string, root: Name): Name => {
  const name = belowRoot(dir, root);
  const path = name === undefined ? resolve(dir) : `${root}/${name}`;
  if (lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true) {
    if (isSameFolder(dirname(path), root)) return path;
    throw new UserError(
      `Cannot watch "${showName(path)}": it is no directory of the site's root, "${showName(root)}"`,
      {
        hint: `name one of the directories in ${showName(root)}, or a site of its own with --config`,
      },
    );
  }
  throw new UserError(`Cannot watch "${showName(dir)}": it is not a directory`, {
    hint: `name a directory of ${showName(root)}, by its path from here or from the root`,
  });
};

const isSameFolder = (a: Name, b: Name): boolean => {
  const [one, other] = [a, b].map((path) => statSync(fsPath(path), { bigint: true, throwIfNoEntry: false }));
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
};
