import { execa } from 'execa';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { freePort, listening } from './ports.ts';
import { ACCESS_KEY } from './s3/server.ts';
import { makeSite, type SiteOptions, type TestSite } from './site.ts';

/** A remote in a rclone.conf of its own. */
export interface TestRemote extends AsyncDisposable {
  /** "s3test:bucket" */
  readonly remote: string;
  readonly config: string;
  /** Where its files are on this machine. */
  readonly folder: string;
}

type Section = Readonly<Record<string, string>>;

const writeConfig = (folder: string, sections: Readonly<Record<string, Section>>): string => {
  const config = `${folder}/rclone.conf`;
  writeFileSync(config, Object.entries(sections).map(sectionText).join('\n'), { mode: 0o600 });
  return config;
};

const sectionText = ([name, keys]: readonly [string, Section]): string =>
  `[${name}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${value}\n`).join('')}`; // prettier-ignore

/** A remote over that one, in the same file. */
export const over = (below: TestRemote, keys: Section): TestRemote => {
  appendFileSync(below.config, `\n${sectionText(['top', keys])}`);
  return { ...below, remote: 'top:', [Symbol.asyncDispose]: () => below[Symbol.asyncDispose]() };
};

export const makeFolder = (path: string): string => {
  mkdirSync(path, { recursive: true });
  return path;
};

const NOTHING = (): Promise<void> => Promise.resolve();

export const startLocal = (folder: string): Promise<TestRemote> =>
  Promise.resolve({
    remote: makeFolder(`${folder}/destination`),
    config: writeConfig(folder, {}),
    folder: `${folder}/destination`,
    [Symbol.asyncDispose]: NOTHING,
  });

/** Passwords as `rclone obscure` writes them: of "isocket". */
export const obscure = async (word: string): Promise<string> => (await execa('rclone', ['obscure', word])).stdout;

export const startCrypt = async (folder: string): Promise<TestRemote> => {
  const destination = makeFolder(`${folder}/destination`);
  const config = writeConfig(folder, {
    sealed: { type: 'crypt', remote: destination, password: await obscure('isocket') },
  });
  return { remote: 'sealed:', config, folder: destination, [Symbol.asyncDispose]: NOTHING };
};

export interface WebdavRemote extends TestRemote {
  /** Requests since this was asked last, by their method. */
  readonly requests: () => Readonly<Record<string, number>>;
}

/** rclone's own WebDAV server, which keeps neither times nor sums. */
export const startWebdav = async (folder: string): Promise<WebdavRemote> => {
  const destination = makeFolder(`${folder}/destination`);
  const [port, control] = [await freePort(), await freePort()];
  const addresses = ['--addr', `127.0.0.1:${port}`, '--rc', '--rc-no-auth', '--rc-addr', `127.0.0.1:${control}`];
  const server = execa('rclone', ['serve', 'webdav', ...addresses, destination], {
    reject: false,
    env: { RCLONE_CONFIG: writeConfig(folder, {}) },
  });
  let died: string | undefined;
  void server.then(({ stderr }) => {
    died = `rclone serve webdav ended: ${stderr}`;
  });
  for (const one of [port, control]) await listening(one, () => died);
  const proxy = await startProxy(port, control);
  const config = writeConfig(folder, {
    dav: { type: 'webdav', url: `http://127.0.0.1:${proxy.port}`, vendor: 'other' },
  });
  return {
    remote: 'dav:',
    config,
    folder: destination,
    requests: proxy.requests,
    [Symbol.asyncDispose]: async () => {
      proxy[Symbol.dispose]();
      server.kill('SIGTERM');
      await server;
    },
  };
};

/**
 * Before each request the server forgets what it knows of folders, which tests change behind its back. With `--dir-cache-time 0s` it would read
 * the whole folder anew for each file that it lists.
 */
const startProxy = async (server: number, control: number) => {
  let requests: Record<string, number> = {};
  const agent = new Agent({ keepAlive: true });
  const proxy = createServer((incoming, response) => {
    const { method = '', url, headers } = incoming;
    requests[method] = (requests[method] ?? 0) + 1;
    const pass = async (): Promise<void> => {
      await (await fetch(`http://127.0.0.1:${control}/vfs/forget`, { method: 'POST' })).arrayBuffer();
      const onward = request({ host: '127.0.0.1', port: server, agent, method, path: url, headers });
      const [answered] = await Promise.all([once(onward, 'response'), pipeline(incoming, onward)]);
      const [answer] = answered as [IncomingMessage];
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      await pipeline(answer, response);
    };
    pass().catch(() => response.destroy()); // As where the server cuts the connection.
  });
  const port = await freePort();
  proxy.listen(port, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port,
    requests: (): Readonly<Record<string, number>> => {
      const counts = requests;
      requests = {};
      return counts;
    },
    [Symbol.dispose]: () => {
      proxy.close();
      proxy.closeAllConnections();
      agent.destroy();
    },
  };
};

export interface S3Options {
  /** Keys of rclone.conf beside the usual ones. */
  readonly keys?: Readonly<Record<string, string>>;
}

/** The S3 server of ./s3, as a process of its own. */
export const startS3 = async (folder: string, { keys = {} }: S3Options = {}): Promise<TestRemote> => {
  delete process.env.AWS_CA_BUNDLE; // rclone before 1.68 cannot use it, not even where nothing is encrypted.
  const data = makeFolder(`${folder}/s3`);
  const server = execa(process.execPath, [new URL('s3/server.ts', import.meta.url).pathname, data], { reject: false });
  const lines = createInterface({ input: server.stdout });
  const [port] = (await once(lines, 'line')) as [string];
  const config = writeConfig(folder, {
    s3test: {
      type: 's3',
      provider: 'Other',
      endpoint: `http://127.0.0.1:${port}`,
      access_key_id: ACCESS_KEY,
      secret_access_key: 'secret',
      ...keys,
    },
  });
  return {
    remote: 's3test:bucket',
    config,
    folder: makeFolder(`${data}/bucket`),
    [Symbol.asyncDispose]: async () => {
      server.stdin.end();
      await server;
    },
  };
};

/** A site whose destination is that remote. */
export const makeRcloneSite = (folder: string, { remote, config }: TestRemote, more: SiteOptions = {}): TestSite => {
  const nobody = { kind: 'program', port: 1, identityFile: '', knownHosts: '', path: '/', folder } as const;
  const site = makeSite(folder, { ...nobody, [Symbol.asyncDispose]: NOTHING }, more);
  const written = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  const destination = { transport: 'rclone', remote, config, ...more.destination };
  writeFileSync(site.config, JSON.stringify({ ...written, destination }));
  return site;
};
