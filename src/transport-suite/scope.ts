import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  fsPath,
  TransportError,
  wholeSeconds,
  type ExpectedFile,
  type Name,
  type OutgoingFile,
  type Transport,
  type TransportContext,
  type TransportErrorClass,
} from '../transport.ts';
import type { SuiteTarget } from './target.ts';

/** More than stores list a page (1,000), and more than a process may have open where nobody set a limit (1,024). */
export const MANY_FILES = 1100;

/** The owner of temporary files, in every test. */
export const OWNER = '01234567';

const WAIT_MS = 20_000;

/** What one test works with: a source folder, an empty destination and a transport to it, all removed when disposed. */
export const createScope = (target: SuiteTarget) => {
  const home = mkdtempSync(join(tmpdir(), 'isocket-suite-'));
  const source = join(home, 'source');
  mkdirSync(source);
  empty(target.folder);
  const transports: Transport[] = [];
  const signal: AbortSignal = new AbortController().signal;

  const context = (more: Partial<TransportContext> = {}): TransportContext => ({
    site: 'suite',
    owner: OWNER,
    stateFolder: join(home, 'state'),
    durable: false,
    bandwidth: null,
    log: () => undefined,
    ...more,
  });
  const keep = (transport: Transport): Transport => {
    transports.push(transport);
    return transport;
  };
  let first: Transport | undefined;

  const sourcePath = (name: Name): string | Buffer => fsPath(`${source}/${name}`);
  const arrived = (name: Name): string | Buffer => fsPath(`${target.folder}/DC1/${name}`);
  /** The file as it is now, ready to be sent. */
  const describe = (name: Name): OutgoingFile => {
    const identity = lstatSync(sourcePath(name), { bigint: true });
    return {
      sourcePath: `${source}/${name}`,
      targetPath: `DC1/${name}`,
      mode: Number(identity.mode) & 0o7757,
      identity,
    };
  };
  return {
    target,
    source,
    signal,
    context,
    keep,
    /** One transport, connected on first use: most tests need no other. */
    get transport(): Transport {
      return (first ??= keep(target.connect(context())));
    },
    describe,
    /** Writes a source file: of that many random bytes, or with that content. */
    outgoing: (name: Name, content: Buffer | number): OutgoingFile => {
      mkdirSync(dirname(`${source}/${name}`), { recursive: true });
      writeFileSync(sourcePath(name), typeof content === 'number' ? randomBytes(content) : content, { mode: 0o640 });
      return describe(name);
    },
    sourcePath,
    arrived,
    expectArrived: (name: Name): void =>
      assert.ok(readFileSync(arrived(name)).equals(readFileSync(sourcePath(name))), `${name} arrived as it is`),
    isThere: (name: Name): boolean => lstatSync(arrived(name), { throwIfNoEntry: false }) !== undefined,
    /** Files at the destination under one of our temporary names, or in a folder that has one. */
    temporaries: (): string[] =>
      readdirSync(target.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(target.folder.length))
        .filter((path) => /\/\.isocket-[^/]*\.part(\/|$)/.test(path)),
    /** The path of everything below the destination except folders. */
    everything: (): string[] =>
      readdirSync(target.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(target.folder.length + 1))
        .toSorted(),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await Promise.all(transports.map((transport) => transport[Symbol.asyncDispose]()));
      target.cutAfter?.(Infinity);
      rmSync(home, { recursive: true, force: true });
      empty(target.folder);
    },
  };
};

export type Scope = ReturnType<typeof createScope>;

const empty = (folder: string): void => {
  for (const name of readdirSync(folder, { encoding: 'buffer' }))
    rmSync(Buffer.concat([Buffer.from(`${folder}/`), name]), { recursive: true, force: true });
};

export const expected = ({ sourcePath, targetPath, identity: { size, mtimeNs } }: OutgoingFile): ExpectedFile => ({
  sourcePath,
  targetPath,
  size,
  mtimeSeconds: wholeSeconds(mtimeNs),
});

/** @throws AssertionError where it is fulfilled, or rejects with anything but a `TransportError` of one of the classes */
export const expectRejected = async (
  sending: Promise<unknown>,
  ...classes: readonly TransportErrorClass[]
): Promise<void> => {
  let fulfilled = false;
  try {
    await sending;
    fulfilled = true;
  } catch (error) {
    expectClass(error, ...classes);
  }
  assert.equal(fulfilled, false, 'it is rejected');
};

/** @throws where it is not a `TransportError` of one of the classes */
export const expectClass = (error: unknown, ...classes: readonly TransportErrorClass[]): void => {
  if (!(error instanceof TransportError)) throw error;
  assert.ok(
    classes.includes(error.class),
    `"${error.message}" is of class ${error.class}, not ${classes.join(' or ')}`,
  );
};

/** Waits until the condition holds. @throws AssertionError after 20 s */
export const until = async (what: string, holds: () => boolean): Promise<void> => {
  const started = performance.now();
  while (!holds()) {
    if (performance.now() - started > WAIT_MS)
      throw new assert.AssertionError({ message: `${what}: not within ${WAIT_MS / 1000} s` });
    await delay(5);
  }
};
