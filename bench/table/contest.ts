import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProxy } from '../../test/support/proxy.ts';
import { makeSite } from '../../test/support/site.ts';
import { startSshd } from '../../test/support/sshd.ts';
import { through } from '../../test/support/through.ts';
import { differences } from '../../test/support/trees.ts';
import { beginAnew, isocketCommand } from '../support.ts';
import { measure, type Sample } from './measure.ts';

/** One line of the table: the same work by isocket and by every peer that is installed. */
export interface Contest {
  readonly id: string;
  readonly work: string;
  readonly roundTripMs: number;
  readonly rounds: number;
  readonly durable: boolean;
  readonly areFilesBig?: boolean;
  /** Of isocket; default: sftp. */
  readonly transport?: 'rsync';
  /** Makes the directories below the root. */
  readonly fill: (root: string) => void | Promise<void>;
  /** Names of `PEERS`; those that are not installed are left out. */
  readonly peers: readonly string[];
}

export interface Result {
  readonly id: string;
  readonly work: string;
  /** By contestant, one sample a round. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

/** How a peer reaches the destination. */
export interface Route {
  readonly root: string;
  readonly destination: string;
  readonly port: number;
  readonly knownHosts: string;
  readonly identityFile: string;
  /** For files of its own. */
  readonly folder: string;
}

export interface Peer {
  readonly program: string;
  readonly command: (route: Route) => readonly string[];
}

/** In each round every contestant does the whole work, one after the other. @throws Error where one of them delivers less */
export const runContest = async (contest: Contest, peers: Readonly<Record<string, Peer>>): Promise<Result> => {
  const { id, work, roundTripMs, durable, transport = 'sftp' } = contest;
  const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
  try {
    await using server = await startSshd(folder);
    await using proxy = await startProxy(server.port, { delayMs: roundTripMs / 2 });
    const { port, knownHosts } = through(folder, server, roundTripMs > 0 ? proxy.port : server.port);
    const site = makeSite(folder, server, {
      source: { settle: '2s', exclude: [] },
      destination: { transport, port, knownHosts },
      more: { send: { durable } },
    });
    await contest.fill(site.root);
    const { identityFile, folder: destination } = server;
    const route = { root: site.root, destination, port, knownHosts, identityFile, folder };
    const commands = new Map([['isocket', [...isocketCommand(), '--config', site.config, 'scan', '--quiet']]]);
    for (const name of contest.peers) {
      const peer = peers[name];
      if (peer !== undefined && existsSync(peer.program)) commands.set(name, [...peer.command(route)]);
    }
    const samples = new Map<string, Sample[]>([...commands.keys()].map((name) => [name, []]));
    for (let round = 1; round <= contest.rounds; round += 1) {
      for (const [name, command] of commands) {
        beginAnew(site, destination, contest);
        samples.get(name)?.push(await measure(command, folder));
        const [wrong] = differences(site.root, destination, { contentOnly: name !== 'isocket' });
        if (wrong !== undefined) throw new Error(`${id}, ${name}: ${wrong}`);
      }
    }
    return { id, work, samples };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
