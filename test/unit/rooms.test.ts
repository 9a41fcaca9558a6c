import { readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/**
 * What each folder of `src` may import, itself and the files directly in `src` aside. The picture of it is in ARCHITECTURE.md:
 * a new arrow is a decision, and is made here.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  host: [],
  core: [],
  config: ['core'],
  source: ['core'],
  marks: ['source', 'core'],
  verify: ['marks', 'source', 'config', 'core'],
  delivery: ['verify', 'marks', 'source', 'config', 'core'],
  watcher: ['source', 'core'],
  daemon: ['watcher', 'instance', 'delivery', 'marks', 'source', 'config', 'core'],
  maintain: ['delivery', 'verify', 'marks', 'source', 'config', 'core'],
  instance: ['core'],
  check: ['instance', 'marks', 'source', 'config', 'core'],
  status: ['instance', 'marks', 'source', 'config', 'core'],
  sftp: [],
  ssh: ['sftp'],
  transports: ['ssh', 'sftp', 'core'],
  'transport-suite': [],
  receiver: ['ssh', 'sftp', 'core'],
};

/** The files directly in `src`: the contract, which imports nothing but itself; `cli.ts`, which starts the program. */
const ENTRY = 'cli.ts';

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .toSorted();

const importsOf = (file: string): string[] =>
  [...readFileSync(`${SRC}/${file}`, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, path]) =>
    relative(SRC, resolve(SRC, dirname(file), path ?? '')),
  );

const imports = new Map(files.map((file) => [file, importsOf(file)]));
const roomOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : '');

const mayImport = (from: string, to: string): boolean => {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === 'cli' || from === ENTRY) return true;
  if (target === '') return to !== ENTRY;
  if (target === 'host') return room !== '';
  return target === room || (ALLOWED[room]?.includes(target) ?? false);
};

/** The first files of a loop of imports, or undefined. */
const findLoop = (): string[] | undefined => {
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of imports.get(file) ?? []) {
      const loop = visit(next, [...trail, file]);
      if (loop !== undefined) return loop;
    }
    done.add(file);
    return undefined;
  };
  for (const file of files) {
    const loop = visit(file, []);
    if (loop !== undefined) return loop;
  }
  return undefined;
};

describe('the folders of src', () => {
  test('every import is read: each names a file that is there', () => {
    const unknown = [...imports].flatMap(([file, targets]) =>
      targets.filter((target) => !imports.has(target)).map((target) => `${file} -> ${target}`),
    );
    expect(unknown).toEqual([]);
    expect([...imports.values()].flat().length).toBeGreaterThan(files.length);
  });

  test('each is listed here', () => {
    const rooms = new Set(files.map(roomOf).filter((room) => room !== '' && room !== 'cli'));
    expect([...rooms].toSorted()).toEqual(Object.keys(ALLOWED).toSorted());
  });

  test('each imports only what it may', () => {
    const wrong = [...imports].flatMap(([file, targets]) =>
      targets.filter((target) => !mayImport(file, target)).map((target) => `${file} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('no file imports itself through others, types included', () => {
    expect(findLoop()).toBeUndefined();
  });
});
