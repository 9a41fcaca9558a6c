import { execa } from 'execa';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  reportFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const NOBODY = 65534;
const FILES = rounds(200, 5000);
const TIMES = rounds(1, 5);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-permission-'));
  chmodSync(folder, 0o755); // Root may always: at both ends it is another user who works here.
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
const fill = (root: string): void => {
  for (let count = 1; count <= FILES; count += 1) produce(root, `DC1/f${count}`, 2000 + ((count * 7919) % 9000));
  produce(root, 'DC1/sub/big', 3_000_000);
  writeFileSync(`${root}/DC1/finished.parse`, '');
};
const giveTo = (user: number, path: string) => execa('chown', ['-R', `${user}:${user}`, path]);

/** A site of an ordinary user, behind a proxy that tells when the work is under way. */
const siteOfNobody = async (server: TestServer, port: number): Promise<TestSite> => {
  copyFileSync(server.identityFile, `${folder}/key`);
  chmodSync(`${folder}/key`, 0o600);
  chownSync(`${folder}/key`, NOBODY, NOBODY);
  const site = makeSite(folder, server, {
    destination: { ...through(folder, server, port), identityFile: `${folder}/key` },
  });
  fill(site.root);
  await giveTo(NOBODY, `${folder}/site`);
  return site;
};

interface Loss {
  /** What is taken away, and given back. */
  readonly take: (site: TestSite, server: TestServer) => unknown;
  readonly give: (site: TestSite, server: TestServer) => unknown;
  readonly words: RegExp;
}

const losses: Readonly<Record<string, Loss>> = {
  'to write into the folder at the destination': {
    take: (_, server) => execa('chmod', ['-R', 'a-w', `${server.folder}/DC1`]),
    give: (_, server) => execa('chmod', ['-R', 'u+w', `${server.folder}/DC1`]),
    words: /permission denied/i,
  },
  'to enter the directory at the source': {
    take: ({ root }) => chmodSync(`${root}/DC1`, 0),
    give: ({ root }) => chmodSync(`${root}/DC1`, 0o755),
    words: /permission denied/i,
  },
  'to mark, since the files are given to another user': {
    take: ({ root }) => giveTo(0, `${root}/DC1`),
    give: ({ root }) => giveTo(NOBODY, `${root}/DC1`),
    words: /belongs to user root, isocket runs as user nobody/,
  },
};

it.each(Object.entries(losses))('the permission is lost in mid-run %s', { timeout: 300_000 }, async (what, loss) => {
  let files = 0;
  for (let time = 1; time <= TIMES; time += 1) {
    await using server = await startSshd(`${folder}/far${time}`, {
      command: () => `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups /usr/lib/openssh/sftp-server`,
    });
    chownSync(server.folder, NOBODY, NOBODY);
    await using proxy = await startProxy(server.port);
    const site = await siteOfNobody(server, proxy.port);
    const watch = watchFinalNames(server.folder);
    const scan = site.run(['scan'], { user: NOBODY });
    await proxy.passed(200_000);
    await loss.take(site, server);
    // The run that it meets, and one that it is there for from the beginning.
    for (const run of [() => scan, () => site.run(['scan'], { user: NOBODY })]) {
      const { exitCode, stderr } = await run();
      const refused = expectNothingWrong(site.root, server.folder);
      expect(refused.marked).toBeLessThan(refused.files);
      expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringMatching(loss.words) as unknown });
      expect(stderr).not.toContain('    at ');
    }
    await loss.give(site, server);
    expect((await site.run(['scan'], { user: NOBODY })).exitCode).toBe(0);
    files += expectAllThere(site.root, server.folder, 1).files;
    await watch.end();
    rmSync(`${folder}/site`, { recursive: true });
  }
  reportFigures(`the permission lost in mid-run ${what}`, { faults: TIMES, files });
});
