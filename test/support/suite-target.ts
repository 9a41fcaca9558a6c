import { readFileSync, writeFileSync } from 'node:fs';
import type { LoginFault, SuiteTarget } from '../../src/transport-suite/suite.ts';
import type { Transport, TransportContext, TransportPlugin } from '../../src/transport.ts';
import { makeReadOnly, makeSmall } from './break-folder.ts';
import { makeKey } from './keys.ts';
import { freePort } from './ports.ts';
import { startProxy } from './proxy.ts';
import type { TestServer } from './server.ts';

/** A server behind a proxy, as a target of the transport suite with every fault that it can inject. */
export const makeSuiteTarget = async (
  folder: string,
  server: TestServer,
  plugin: TransportPlugin,
  more: Readonly<Record<string, unknown>> = {},
): Promise<SuiteTarget & AsyncDisposable> => {
  const proxy = await startProxy(server.port);
  const hostKey = readFileSync(server.knownHosts, 'utf8').split(' ').slice(1).join(' ');
  const closedPort = await freePort();
  const otherKey = await makeKey(`${folder}/other_key`);
  const knownHosts = (name: string, lines: string): string => {
    writeFileSync(`${folder}/${name}`, lines);
    return `${folder}/${name}`;
  };
  const known = knownHosts('known', `[127.0.0.1]:${proxy.port} ${hostKey}`);
  const section = {
    transport: plugin.name,
    host: '127.0.0.1',
    port: proxy.port,
    user: 'root',
    path: server.path,
    identityFile: server.identityFile,
    knownHosts: known,
    ...more,
  };
  const connect = (context: TransportContext, changed: Readonly<Record<string, unknown>> = {}): Transport =>
    plugin.connect(plugin.parseOptions({ ...section, ...changed }), context);
  const wrong: Readonly<Record<LoginFault, Readonly<Record<string, unknown>>>> = {
    'refused port': { port: closedPort },
    'wrong key': { identityFile: `${folder}/other_key` },
    'unknown host key': { knownHosts: knownHosts('empty', '') },
    'changed host key': { knownHosts: knownHosts('changed', `[127.0.0.1]:${proxy.port} ${otherKey}\n`) },
  };
  return {
    folder: server.folder,
    connect,
    cutAfter: (bytes) => proxy.cutAfter(bytes),
    connectWrongly: (fault, context) => connect(context, wrong[fault]),
    makeSmall,
    makeReadOnly,
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
};
