import { defaultLoaders } from 'cosmiconfig';
import { execa } from 'execa';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { startReceiver, type Receiver } from '../../src/receiver/receiver.ts';
import { CLI_COMMAND } from '../support/cli.ts';
import { readDocuments } from '../support/documents.ts';
import { makeKey } from '../support/keys.ts';
import { freePort } from '../support/ports.ts';

// Each block of commands that a document shows, run as it stands: one after another, as a reader does it, on a site with the
// configuration that README.md shows, and our own receiver. What cannot be run so has <!-- example --> above it.

const documents = readDocuments();
const shown = documents.flatMap(({ path, blocks }) => {
  if (path === 'README.zh-TW.md') return []; // It has the same (test/unit/readme.test.ts).
  const shell = blocks.filter(({ language, isExample }) => language === 'sh' && !isExample);
  return shell.length === 0 ? [] : [{ path, shell }];
});

/** The configuration that README.md shows. */
const sample = (): { readonly source: object; readonly destination: object } => {
  const readme = documents.find(({ path }) => path === 'README.md');
  const block = readme?.blocks.find(({ language, text }) => language === 'yaml' && text.includes('source:'));
  return defaultLoaders['.yaml']('README.md', block?.text ?? '') as ReturnType<typeof sample>;
};

/** isocket as a user has it. What runs until it is stopped is stopped once it has said something. */
const WRAPPER = `#!/bin/bash
isocket=(${CLI_COMMAND.map((word) => `'${word}'`).join(' ')})
case " $* " in
  *' daemon '* | *' receive '* | *' --watch '*) ;;
  *) exec "\${isocket[@]}" "$@" ;;
esac
exec 3< <(exec "\${isocket[@]}" "$@" 2>&1)
pid=$!
read -r -t 30 -u 3 line
kill -TERM "$pid"
echo "$line"
cat <&3
wait "$pid"
code=$?
[ "$code" = 143 ] || exit "$code"
`;

/** A host with a site, and where its files go. */
interface Host extends AsyncDisposable {
  readonly folder: string;
  readonly receiver: Receiver;
  /** For a receiver of the document's own. */
  readonly listenOn: number;
  readonly publicKey: string;
}

const startHost = async (): Promise<Host> => {
  const folder = mkdtempSync(`${tmpdir()}/isocket-documents-`);
  for (const name of ['home/.ssh', 'bin', 'tmp', 'etc/isocket/ED1', 'far/backup', 'datas/DC1', 'datas/DC2'])
    mkdirSync(`${folder}/${name}`, { recursive: true });
  const write = (path: string, content: string, mode = 0o600): void =>
    writeFileSync(`${folder}/${path}`, content, { mode });
  const [hostKey, publicKey] = [await makeKey(`${folder}/host_key`), await makeKey(`${folder}/home/.ssh/id_ed25519`)];
  const receiver = await startReceiver({
    root: `${folder}/far`,
    host: '127.0.0.1',
    port: await freePort(),
    authorizedKeys: publicKey,
    hostKey: readFileSync(`${folder}/host_key`),
    log: () => undefined,
  });
  const { source, destination } = sample();
  const configuration = JSON.stringify({
    site: 'ED1',
    source: { ...source, root: `${folder}/datas`, settle: '0s' },
    destination: { ...destination, host: '127.0.0.1', port: receiver.port },
    manifest: true,
  });
  write('home/.ssh/known_hosts', `[127.0.0.1]:${receiver.port} ${hostKey}\n`);
  for (const path of ['home/.isocketrc', 'etc/isocket/ED1/.isocketrc']) write(path, configuration);
  write('home/keys', `${publicKey}\n`);
  write('bin/isocket', WRAPPER, 0o755);
  for (const name of ['DC1/a', 'DC1/b', 'DC1/finished.parse', 'DC2/c']) write(`datas/${name}`, name, 0o644);
  // Root may not receive. What the receiver of this process has made belongs to root.
  if (process.getuid?.() === 0) await execa('chown', ['-R', '65534:65534', folder]);
  const end = async (): Promise<void> => {
    await receiver[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  };
  return { folder, receiver, listenOn: await freePort(), publicKey, [Symbol.asyncDispose]: end };
};

/** With the names and places of this host in place of those of the examples. */
const fitted = (shell: string, { folder, receiver, listenOn, publicKey }: Host): string =>
  shell
    .replaceAll(/(?<![\w./-])\/(?=(?:datas|tmp|etc\/isocket)\b)/g, `${folder}/`)
    .replaceAll(/(?<![\w./-])\/backup\b/g, (path, at: number) =>
      // As the destination has it, or where it is on this host.
      shell.slice(0, at).endsWith('--path ') ? path : `${folder}/far${path}`,
    )
    .replaceAll('drms.example.org', '127.0.0.1')
    .replaceAll('--port 22 ', `--port ${receiver.port} `)
    .replaceAll('0.0.0.0:2222', `127.0.0.1:${listenOn}`)
    .replaceAll('SHA256:…', receiver.fingerprint)
    .replaceAll('AAAA…', publicKey.split(' ')[1] ?? '');

/** Resolves with what it printed. @throws Error where a command of it fails */
const run = async (shell: string, host: Host): Promise<string> => {
  const command = ['bash', '-eu', '-o', 'pipefail', '-c', fitted(shell, host)];
  const asUser = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const [file = '', ...args] = [...asUser, ...command];
  const home = `${host.folder}/home`;
  const { all } = await execa(file, args, {
    all: true,
    stdin: 'ignore',
    cwd: home,
    timeout: 50_000,
    killSignal: 'SIGKILL',
    extendEnv: false,
    env: { HOME: home, PATH: `${host.folder}/bin:/usr/bin:/bin` },
  });
  return all;
};

it('README.md shows commands', () => {
  expect(shown.map(({ path }) => path)).toContain('README.md');
});

it.each(shown)('$path shows commands that can be run', async ({ shell }) => {
  await using host = await startHost();
  // A directory is there already, and a file has come since.
  await run('isocket scan', host);
  await run('echo more >/datas/DC2/d', host);
  for (const { at, text } of shell)
    await run(text, host).catch((error: unknown) => {
      throw new Error(`${at}: mend it, or write <!-- example --> above it`, { cause: error });
    });
});
