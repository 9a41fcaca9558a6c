import { closeSync, lstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { holdFile } from '../support/file-holder.ts';
import { parser } from '../support/parser.ts';
import { expectTrue, makeProofSite, startDaemonHere, TRANSPORTS } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-proof-mapped-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const sentTimes = (events: readonly IsocketEvent[], count: number) => (): boolean =>
  events.filter(({ type }) => type === 'sent').length >= count;

describe.each(TRANSPORTS)('with %s', (transport) => {
  it('a file that one process closes while another one has it mapped is sent again after a restart', async () => {
    const site = makeProofSite(folder, server, transport, { source: { settle: '100ms' } });
    parser(site.root).writeFiles('DC1', 1);
    const path = `${site.root}/DC1/file-1`;
    {
      await using mapped = await holdFile(path, 'shared mapping');
      {
        await using first = await startDaemonHere(site.config);
        await first.event(({ type }) => type === 'held-back');
        await mapped.write('first');
        closeSync(openSync(path, 'r+')); // Another process would do the same.
        await first.event(sentTimes(first.events, 1));
        const { ctimeNs } = lstatSync(path, { bigint: true });
        await mapped.write('later');
        expect(lstatSync(path, { bigint: true }).ctimeNs).toBe(ctimeNs); // Nothing tells of it.
      }
    }
    parser(site.root).closeDirectory('DC1');
    await using next = await startDaemonHere(site.config);
    await next.event((event) => event.type === 'finished' && event.directory === 'DC1');
    expectTrue(site, 'DC1', [site.there]);
  });
});
