import { statSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { distrust } from '../../config/trusted-file.ts';
import { errorMessage, systemErrorCode, UserError } from '../../errors.ts';
import { valueAt } from '../../core/config-problems.ts';
import { showName } from '../../name.ts';
import { packageFile } from '../../package-file.ts';
import type { TransportPlugin } from '../../transport.ts';
import { bundledTransport } from '../../transports/index.ts';
import { guardPlugin } from './guard-plugin.ts';

/** The transports that a configuration names, by the name it uses. Throws a `UserError` for one that cannot be used. */
export type LoadedTransports = (name: string) => TransportPlugin | undefined;

/**
 * Loads the transports that a configuration names and isocket does not bundle: a path, relative to the configuration's folder, or a
 * package, installed there or beside isocket. A name that is neither stays unknown, and a module that is missing, broken or no transport
 * is refused when it is asked for: `parseConfig` reports it with all other problems.
 */
export const loadTransports = async (input: unknown, configPath: string): Promise<LoadedTransports> => {
  const loaded = new Map<string, TransportPlugin | UserError>();
  const names = namesIn(input);
  if (names.length > 0) offerContract();
  for (const name of names) {
    try {
      const url = isPath(name) ? pathToFileURL(resolve(dirname(configPath), name)).href : packageUrl(name, configPath);
      if (url !== undefined) loaded.set(name, await load(name, url));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      loaded.set(name, error);
    }
  }
  return (name) => {
    const found = bundledTransport(name) ?? loaded.get(name);
    if (found instanceof UserError) throw found;
    return found;
  };
};

const namesIn = (input: unknown): string[] => {
  const section = valueAt(input, ['destination']);
  const sections: readonly unknown[] = Array.isArray(section) ? section : [section];
  const names = sections.map((one) => valueAt(one, ['transport']));
  return [
    ...new Set(names.filter((name) => typeof name === 'string' && bundledTransport(name) === undefined)),
  ] as string[];
};

const isPath = (name: string): boolean => /^\.{1,2}\//.test(name) || isAbsolute(name);

const packageUrl = (name: string, configPath: string): string | undefined => {
  // "node:fs", "#inner" and URLs resolve in node too, but are not packages.
  if (!/^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*(?:\/[\w.~/-]+)?$/.test(name)) return undefined;
  for (const from of [configPath, import.meta.url]) {
    try {
      const path = createRequire(from).resolve(name);
      if (isAbsolute(path)) return pathToFileURL(path).href;
    } catch (error) {
      if (systemErrorCode(error) !== 'MODULE_NOT_FOUND') throw unusable(name, errorMessage(error), error);
    }
  }
  return undefined;
};

/**
 * Lets a module that is not installed beside isocket import `isocket/transport` all the same: where its own folders have no isocket, it
 * gets this one.
 */
const offerContract = (): void => {
  const url = packageFile(import.meta.url.endsWith('.ts') ? 'src/transport.ts' : 'dist/transport.js').href;
  registerHooks({
    resolve: (specifier, context, next) => {
      try {
        return next(specifier, context);
      } catch (error) {
        if (specifier !== 'isocket/transport') throw error;
        return { url, shortCircuit: true };
      }
    },
  });
};

const load = async (name: string, url: string): Promise<TransportPlugin> => {
  refuseStrangers(name, fileURLToPath(url));
  let module: unknown;
  try {
    module = await import(url);
  } catch (error) {
    const isMissing =
      systemErrorCode(error) === 'ERR_MODULE_NOT_FOUND' && errorMessage(error).includes(`'${new URL(url).pathname}'`);
    throw unusable(name, isMissing ? 'there is no such file' : errorMessage(error), error);
  }
  return guardPlugin(name, valueAt(module, ['default']));
};

/** Its code runs with every right of this user: it belongs to who can run code with them anyway. @throws UserError */
const refuseStrangers = (name: string, path: string): void => {
  let because: string | undefined;
  try {
    because = distrust(path, [statSync(fileURLToPath(import.meta.url)).uid]);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return; // Importing it says what is wrong with it.
  }
  if (because === undefined) return;
  throw new UserError(`Cannot use transport "${showName(name)}": ${path} is code, and ${because}`, {
    hint: `let the user that runs isocket or root own it, and nobody else write it (chmod go-w), or run isocket as its owner`,
  });
};

const unusable = (name: string, state: string, cause?: unknown): UserError =>
  new UserError(`Cannot use transport "${showName(name)}": ${state}`, {
    hint: 'name a bundled transport, an installed package, or a module such as ./my-transport.mjs (from the configuration’s folder) whose default export has name, parseOptions and connect: docs/writing-a-transport.md',
    cause,
  });
