import { execa } from 'execa';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeName, fsPath } from '../../src/name.ts';
import type { FileEvent } from '../../src/watcher/file-events.ts';
import type { SourceChoice } from '../../src/watcher/choose-source.ts';
import { chooseSource } from '../../src/watcher/choose-source.ts';
import { findInotifywait } from '../../src/watcher/inotifywait-program.ts';
import { findWatcherFacts, openWatcher, type Watcher } from '../../src/watcher/watcher.ts';
import { listen, type Heard } from '../support/heard.ts';
import { hostileNames } from '../support/parser.ts';

const facts = await findWatcherFacts();
const program = facts.inotifywait;
if (program === undefined) throw new Error('inotifywait is needed: apt-get install inotify-tools');
const sources: readonly SourceChoice[] = [
  { source: 'inotifywait', exact: true, program },
  { source: 'chokidar', exact: false },
];
const exact = sources[0] as SourceChoice;
const restartMs = { first: 10, most: 50 };

let folder: string;
let failures: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-watch-'));
  failures = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (choice: SourceChoice, maxFolders?: number): Watcher =>
  openWatcher(choice, {
    reportFailure: (message, hint) => failures.push(`${message}; ${hint}`),
    restartMs,
    ...(maxFolders === undefined ? {} : { maxFolders }),
  });

/** Our processes that watch this folder. */
const watching = (path = folder): number[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words[0] === 'inotifywait' && words.some((word) => word === path || word.startsWith(`${path}/`));
      } catch {
        return false;
      }
    })
    .map(Number);

const blockFor = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

const shell = (script: string): Promise<unknown> => execa('sh', ['-c', script], { cwd: folder });

/** All that came before this moment has been heard: a file of our own comes after it. */
const settle = async (heard: Heard): Promise<void> => {
  const name = `mark-${heard.events.length}`;
  writeFileSync(join(folder, name), 'x');
  await heard.until(() => heard.events.some((event) => 'path' in event && event.path === name));
};

const eventKinds = (heard: Heard, path: string): string[] =>
  heard.events.filter((event) => 'path' in event && event.path === path).map(({ kind }) => kind);

describe('inotifywait, one producer action each', () => {
  const actions: readonly (readonly [string, () => Promise<unknown> | undefined, readonly string[]])[] = [
    ['create, write, close', () => shell('echo x > f'), ['closed']],
    ['rename into place', () => shell('echo x > ../f.$$ && mv ../f.$$ f'), ['closed']],
    [
      'hard link',
      () => {
        linkSync(join(folder, 'old'), join(folder, 'f'));
        return undefined;
      },
      ['hint'],
    ],
    [
      'symbolic link',
      () => {
        symlinkSync('old', join(folder, 'f'));
        return undefined;
      },
      ['hint'],
    ],
    ['fifo', () => shell('mkfifo f'), ['hint']],
    ['folder', () => shell('mkdir f'), ['folder']],
    ['folder moved in', () => shell('mkdir ../f.$$ && mv ../f.$$ f'), ['folder']],
    [
      'two opens, closed one after the other',
      () => shell('exec 3>f 4>f; echo x >&3; exec 3>&-; echo y >&4; exec 4>&-'),
      ['closed'],
    ],
    ['a descriptor shared with a child', () => shell('exec 3>f; (echo x >&3) ; echo y >&3; exec 3>&-'), ['closed']],
    ['a producer that is killed', () => shell('sh -c "exec 3>f; echo x >&3; kill -9 \\$\\$" || true'), ['closed']],
  ];
  it.each(actions)('%s', async (_name, act, expected) => {
    writeFileSync(join(folder, 'old'), 'x');
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    await act();
    await settle(heard);
    // A hint of the creation may or may not come before the close; the kernel makes one event of two equal ones in a row.
    const kinds = eventKinds(heard, 'f');
    expect(expected[0] === 'closed' ? [...new Set(kinds)].filter((kind) => kind !== 'hint') : kinds).toEqual(expected);
  });

  it.each<readonly [string, (path: string) => void]>([
    ['our mark', (path) => chmodSync(path, 0o664)],
    ['a change of its owner', (path) => chownSync(path, 1, 1)],
    ['a change of its times', (path) => utimesSync(path, 1, 1)],
    ['a read', (path) => void readFileSync(path)],
    ['truncate by path', (path) => truncateSync(path, 0)],
  ])('reports nothing for %s', async (_name, act) => {
    const path = join(folder, 'f');
    writeFileSync(path, 'x');
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    act(path);
    await settle(heard);
    // Node truncates through a descriptor that it opens and closes: that is a close.
    expect(eventKinds(heard, 'f')).toEqual(_name === 'truncate by path' ? ['closed'] : []);
  });

  it('reports an append only when the file is closed', async () => {
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    const descriptor = openSync(join(folder, 'f'), 'w');
    writeSync(descriptor, 'one');
    await settle(heard);
    expect(heard.closed()).not.toContain('f');
    closeSync(descriptor);
    await heard.until(() => heard.closed().includes('f'));
    appendFileSync(join(folder, 'f'), 'two');
    await heard.until(() => heard.closed().filter((path) => path === 'f').length === 2);
  });

  it('reports a file from rsync by its final name', async () => {
    writeFileSync(`${folder}.source`, 'x');
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    await execa('rsync', ['-t', `${folder}.source`, join(folder, 'f')]);
    rmSync(`${folder}.source`);
    await heard.until(() => heard.closed().includes('f'));
  });

  it('reports an unnamed file when it gets a name', async () => {
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    const script = `import os; fd = os.open(${JSON.stringify(folder)}, os.O_TMPFILE | os.O_WRONLY); os.write(fd, b"x"); os.link(f"/proc/self/fd/{fd}", ${JSON.stringify(join(folder, 'f'))}, src_dir_fd=os.open("/", 0), follow_symlinks=True)`;
    await execa('python3', ['-c', script]);
    await heard.until(() => eventKinds(heard, 'f').includes('hint'));
  });
});

describe.each(sources.map((choice) => [choice.source, choice] as const))('%s', (source, choice) => {
  /** A listing after each `rescan`, and every name that was reported. */
  const finder = (path = folder) => {
    const found = new Set<string>();
    const heard = listen((event: FileEvent) => {
      if (event.kind === 'rescan') {
        const listed = existsSync(`${path}/${event.path}`) ? readdirSync(`${path}/${event.path}`) : [];
        for (const name of listed) found.add(event.path === '' ? name : `${event.path}/${name}`);
      } else if (event.kind !== 'gone' && event.path !== undefined) found.add(event.path);
    });
    return { found, heard };
  };

  it('is ready, and its readiness asks for a listing', async () => {
    writeFileSync(join(folder, 'before'), 'x');
    await using watcher = open(choice);
    const { found, heard } = finder();
    const watch = watcher.watchFolder(folder, heard.onEvent);
    expect(watch.isUp).toBe(false);
    await watch.ready;
    expect(watch.isUp).toBe(true);
    expect(heard.events).toEqual([{ kind: 'rescan', path: '', why: 'ready' }]);
    expect(found).toEqual(new Set(['before']));
  });

  it('loses nothing of 20,000 files while the loop is blocked', async () => {
    await using watcher = open(choice);
    const { found, heard } = finder();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    // In another process, while ours sleeps.
    const producer = execa('python3', [
      '-c',
      'import sys\nfor i in range(20000): open(f"{sys.argv[1]}/f{i}", "w").write("x")\nopen(sys.argv[1] + ".done", "w")',
      folder,
    ]);
    while (!existsSync(`${folder}.done`)) blockFor(300);
    await producer;
    rmSync(`${folder}.done`);
    await heard.until(() => heard.rescans(source === 'chokidar' ? 'lag' : 'overflow') > 0);
    await heard.until(() => found.size >= 20_000);
  });

  it('reports names of any bytes, or that it could not decode one', async () => {
    await using watcher = open(choice);
    const heard = listen();
    await watcher.watchFolder(folder, heard.onEvent).ready;
    for (const name of hostileNames) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), 'x');
    const names = hostileNames.map(decodeName);
    const expected = source === 'inotifywait' ? names : names.filter((name) => name.isWellFormed());
    await heard.until(() =>
      expected.every((name) => heard.events.some((event) => 'path' in event && event.path === name)),
    );
    if (source === 'chokidar') expect(heard.events).toContainEqual({ kind: 'hint', path: undefined });
  });

  it.each([
    ['deleted', (path: string) => rmSync(path, { recursive: true })],
    ['renamed away', (path: string) => renameSync(path, `${path}.away`)],
  ])('reports a folder as gone when it is %s, and watches it when it is recreated', async (_how, act) => {
    const path = join(folder, 'DC1');
    mkdirSync(path);
    writeFileSync(join(path, 'f'), 'x');
    await using watcher = open(choice);
    const [root, first, second] = [listen(), listen(), listen()];
    await watcher.watchFolder(folder, root.onEvent).ready;
    const watch = watcher.watchFolder(path, first.onEvent);
    await watch.ready;
    act(path);
    await first.until(() => first.events.at(-1)?.kind === 'gone');
    await watch[Symbol.asyncDispose]();
    mkdirSync(path);
    await root.until(() => eventKinds(root, 'DC1').includes('folder'));
    await watcher.watchFolder(path, second.onEvent).ready;
    writeFileSync(join(path, 'f'), 'x');
    await second.until(() => eventKinds(second, 'f').length > 0);
    expect(first.events.at(-1)?.kind).toBe('gone');
  });

  it('reports a missing folder as gone', async () => {
    await using watcher = open(choice);
    const heard = listen();
    await watcher.watchFolder(join(folder, 'none'), heard.onEvent).ready;
    expect(heard.events).toEqual([{ kind: 'gone' }]);
  });

  it('loses nothing that is written right after a mkdir, 200 times', async () => {
    await using watcher = open(choice);
    const { found, heard } = finder();
    await using tree = watcher.watchTree(folder, () => false, heard.onEvent);
    await tree.ready;
    for (let batch = 0; batch < 10; batch += 1) {
      const folders = Array.from({ length: 20 }, (_, index) => `s${batch * 20 + index}`);
      for (const name of folders) {
        mkdirSync(join(folder, name));
        for (const file of ['a', 'b', 'c', 'd', 'e']) writeFileSync(join(folder, name, file), 'x');
      }
      const expected = folders.flatMap((name) => ['a', 'b', 'c', 'd', 'e'].map((file) => `${name}/${file}`));
      await heard.until(() => expected.every((path) => found.has(path)));
      for (const name of folders) rmSync(join(folder, name), { recursive: true });
    }
    expect(failures).toEqual([]);
  });

  it('follows a tree: deep folders, renamed ones, others made in their place', async () => {
    await using watcher = open(choice);
    const { found, heard } = finder();
    await using tree = watcher.watchTree(folder, (path) => path === '.hidden', heard.onEvent);
    await tree.ready;
    mkdirSync(join(folder, '.hidden'));
    mkdirSync(join(folder, 'a/b/c'), { recursive: true });
    await heard.until(() => heard.rescans('ready', 'a/b/c') === 1);
    writeFileSync(join(folder, 'a/b/c/deep'), 'x');
    await heard.until(() => found.has('a/b/c/deep'));
    renameSync(join(folder, 'a'), join(folder, 'z'));
    mkdirSync(join(folder, 'a'));
    await heard.until(() => heard.rescans('ready', 'z/b/c') === 1 && heard.rescans('ready', 'a') === 2);
    writeFileSync(join(folder, 'a/again'), 'x');
    writeFileSync(join(folder, 'z/b/c/moved'), 'x');
    await heard.until(() => found.has('a/again') && found.has('z/b/c/moved'));
    expect(heard.rescans('ready', '.hidden')).toBe(0);
    // The top, a, z, z/b, z/b/c.
    await expect.poll(() => watcher.folders).toBe(5);
  });

  it('leaves no process and no descriptor behind', async () => {
    for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name));
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const round = async (): Promise<void> => {
      await using watcher = open(choice);
      const heard = listen();
      const tree = watcher.watchTree(folder, () => false, heard.onEvent);
      await heard.until(() => heard.rescans('ready', 'c') === 1 && heard.rescans('ready', 'a') === 1);
      expect(tree.isUp).toBe(true);
    };
    await round(); // What is loaded once stays.
    const before = descriptors();
    for (let count = 0; count < 5; count += 1) await round();
    expect(watching()).toEqual([]);
    await expect.poll(descriptors).toBe(before);
  });
});

describe('inotifywait as a process', () => {
  it('is started again when it is killed, and asks for a listing then', async () => {
    await using watcher = open(exact);
    const heard = listen();
    const watch = watcher.watchFolder(folder, heard.onEvent);
    await watch.ready;
    for (let round = 1; round <= 3; round += 1) {
      const [pid] = watching();
      process.kill(pid ?? 0, 'SIGKILL');
      await heard.until(() => heard.rescans('restart') === round);
      expect(watch.isUp).toBe(true);
    }
    writeFileSync(join(folder, 'f'), 'x');
    await heard.until(() => heard.closed().includes('f'));
    expect(failures[0]).toMatch(/Cannot watch .*: inotifywait: it ended/);
  });

  it('ends with us, however we end', async () => {
    const script = `
      const { findWatcherFacts, openWatcher } = await import('${new URL('../../src/watcher/watcher.ts', import.meta.url).href}');
      const facts = await findWatcherFacts();
      const watcher = openWatcher({ source: 'inotifywait', exact: true, program: facts.inotifywait }, { reportFailure: console.error });
      await watcher.watchFolder(process.argv[1], () => undefined).ready;
      console.log('up');
      setInterval(() => undefined, 1000);`;
    const child = execa(process.execPath, ['--input-type=module', '-e', script, folder], {
      reject: false,
      buffer: false,
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(watching()).toHaveLength(1);
    child.kill('SIGKILL');
    await child;
    await expect.poll(() => watching()).toEqual([]);
  });

  it('watches a folder whose own name is not UTF-8', async () => {
    const path = `${folder}/${decodeName(Buffer.from([0xff, 0x0a, 0x80]))}`;
    mkdirSync(fsPath(path));
    await using watcher = open(exact);
    const heard = listen();
    await watcher.watchFolder(path, heard.onEvent).ready;
    writeFileSync(fsPath(`${path}/f`), 'x');
    await heard.until(() => heard.closed().includes('f'));
    rmSync(fsPath(path), { recursive: true });
    await heard.until(() => heard.events.at(-1)?.kind === 'gone');
  });

  it('watches sub-folders up to the limit, and reports that once; the others are listed', async () => {
    for (let index = 0; index < 6; index += 1) mkdirSync(join(folder, `s${index}/deep`), { recursive: true });
    await using watcher = open(exact, 3);
    const heard = listen();
    const tree = watcher.watchTree(folder, () => false, heard.onEvent);
    await tree.ready;
    await heard.until(() => [0, 1, 2, 3, 4, 5].every((index) => heard.rescans('ready', `s${index}`) === 1));
    expect(watcher.folders).toBe(3);
    expect(failures).toHaveLength(1);
    const before = heard.events.length;
    tree.ensureWatched('s5');
    expect(heard.events).toHaveLength(before);
    expect(lstatSync(folder).isDirectory()).toBe(true);
  });
});

describe('inotifywait of other distributions', () => {
  const inPath = async (script: string | undefined, use: () => Promise<void>): Promise<void> => {
    const before = process.env.PATH ?? '';
    const bin = mkdtempSync(join(tmpdir(), 'isocket-bin-'));
    if (script !== undefined) writeFileSync(join(bin, 'inotifywait'), script, { mode: 0o755 });
    try {
      process.env.PATH = script === undefined ? bin : `${bin}:${before}`;
      await use();
    } finally {
      process.env.PATH = before;
      rmSync(bin, { recursive: true });
    }
  };

  it('is not needed: without it chokidar watches', () =>
    inPath(undefined, async () => {
      expect(await findInotifywait()).toBeUndefined();
      const choice = chooseSource('auto', await findWatcherFacts());
      await using watcher = open(choice);
      const heard = listen();
      await watcher.watchFolder(folder, heard.onEvent).ready;
      writeFileSync(join(folder, 'f'), 'x');
      await heard.until(() => eventKinds(heard, 'f').includes('hint'));
    }));

  it('works by lines where it knows no NUL, as 3.14 does', () => {
    const old = `#!/bin/sh\nif [ "$1" = --help ]; then echo "inotifywait 3.14"; exit 1; fi\nexec /usr/bin/inotifywait "$@"\n`;
    return inPath(old, async () => {
      const found = await findInotifywait();
      expect(found).toEqual({ version: '3.14', recordTerminator: '\n', diesWithParent: true });
      await using watcher = open(chooseSource('auto', { inotifywait: found }));
      const heard = listen();
      await watcher.watchFolder(folder, heard.onEvent).ready;
      for (const name of ['new\nline', 'tab\there', 'last']) writeFileSync(join(folder, name), 'x');
      await heard.until(() => heard.closed().includes('last'));
      expect(heard.closed().filter((name) => !name.startsWith('mark'))).toEqual(['tab\there', 'last']);
      expect(heard.events).toContainEqual({ kind: 'hint', path: undefined });
    });
  });
});

describe('limits at their floor', () => {
  const run = async (
    limit: string,
    choice: 'inotifywait' | 'chokidar',
  ): Promise<{ failures: string[]; events: FileEvent[]; starts: number }> => {
    const script = `
      const { findWatcherFacts, openWatcher } = await import('${new URL('../../src/watcher/watcher.ts', import.meta.url).href}');
      const facts = await findWatcherFacts();
      const failures = [], events = [];
      const choice = ${JSON.stringify(choice)} === 'chokidar' ? { source: 'chokidar', exact: false } : { source: 'inotifywait', exact: true, program: facts.inotifywait };
      const watcher = openWatcher(choice, { reportFailure: (...words) => failures.push(words.join('; ')) });
      for (const folder of [process.argv[1], process.argv[1] + '/a']) await watcher.watchFolder(folder, (event) => events.push(event)).ready;
      await new Promise((resolve) => setTimeout(resolve, 500));
      await watcher[Symbol.asyncDispose]();
      console.log(JSON.stringify({ failures, events }));`;
    mkdirSync(join(folder, 'a'));
    const { stdout } = await execa('unshare', [
      '-Ur',
      'sh',
      '-c',
      `echo 0 > /proc/sys/user/${limit} && exec "$@"`,
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      folder,
    ]);
    return JSON.parse(stdout) as { failures: string[]; events: FileEvent[]; starts: number };
  };

  it.each([
    ['max_inotify_instances', 'inotifywait', 'fs.inotify.max_user_instances'],
    ['max_inotify_watches', 'inotifywait', 'fs.inotify.max_user_watches'],
    ['max_inotify_watches', 'chokidar', 'fs.inotify.max_user_watches'],
    ['max_inotify_instances', 'chokidar', 'fs.inotify.max_user_instances'],
  ] as const)('%s, %s: reported once with the fix, and each folder is listed', async (limit, choice, sysctl) => {
    const outcome = await run(limit, choice);
    expect(outcome.failures).toHaveLength(1);
    expect(outcome.failures[0]).toContain(sysctl);
    expect(outcome.failures[0]).toContain('sysctl -w');
    expect(outcome.events).toEqual([
      { kind: 'rescan', path: '', why: 'error' },
      { kind: 'rescan', path: '', why: 'error' },
    ]);
  });
});
