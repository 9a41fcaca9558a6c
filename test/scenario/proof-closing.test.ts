import { linkSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Transport } from '../../src/transport.ts';
import { isFinished, parser } from '../support/parser.ts';
import { expectTrue, makeProofSite, scanHere, TRANSPORTS } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// What is decided last is looked at last, and what is left unsent is told.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-closing-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Calls `act` once, when the destination has been asked for the sent files and before its answer is heard. */
const whileVerifying =
  (act: () => void) =>
  (transport: Transport): Transport => {
    let isDone = false;
    return {
      label: transport.label,
      get inFlight() {
        return transport.inFlight;
      },
      send: (file, signal) => transport.send(file, signal),
      verify: async (files, how, signal) => {
        const found = await transport.verify(files, how, signal);
        if (!isDone) act();
        isDone = true;
        return found;
      },
      tidy: (folders, signal) => transport.tidy(folders, signal),
      probe: (signal) => transport.probe(signal),
      [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
    };
  };

describe.each(TRANSPORTS)('with %s', (transport) => {
  it('exits with 3 and names a file that changes whenever it is read, in a closed directory', async () => {
    const site = makeProofSite(folder, server, transport);
    parser(site.root).writeFiles('DC1', 3);
    parser(site.root).closeDirectory('DC1');
    const touching = setInterval(() => utimesSync(`${site.root}/DC1/file-2`, new Date(), new Date()), 1);
    try {
      const { exitCode, summary, warnings } = await site.scan();
      expect({ exitCode, failed: summary.failed }).toEqual({ exitCode: 3, failed: 1 });
      expect(warnings.join('\n')).toContain('DC1/file-2');
      expect(isFinished(site.root, 'DC1')).toBe(false);
    } finally {
      clearInterval(touching);
    }
    expect((await site.scan()).exitCode).toBe(0);
    expectTrue(site, 'DC1', [site.there]);
  });

  it('does not finish a superseded directory in which a file was closed while it was verified', async () => {
    const site = makeProofSite(folder, server, transport);
    parser(site.root).writeFiles('DC1', 3);
    mkdirSync(`${site.root}/DC2`);
    const late = `${site.root}/DC1/late`;
    const write = whileVerifying(() => writeFileSync(late, 'late'));
    expect((await scanHere(site.config, write)).exitCode).toBe(0);
    if (!isFinished(site.root, 'DC1')) await site.scan();
    expectTrue(site, 'DC1', [site.there]);
  });

  it('ends with two unfinished directories that share files: the third scan sends nothing', async () => {
    const site = makeProofSite(folder, server, transport, { source: { superseded: '1h' } });
    parser(site.root).writeFiles('DC1', 3);
    mkdirSync(`${site.root}/DC2/sub`, { recursive: true });
    for (const name of ['file-1', 'file-2']) linkSync(`${site.root}/DC1/${name}`, `${site.root}/DC2/sub/${name}`);
    linkSync(`${site.root}/DC1/file-3`, `${site.root}/DC1/again`);
    await site.scan();
    await site.scan();
    expect((await site.scan()).summary.sent).toBe(0);
    for (const name of ['DC1', 'DC2']) parser(site.root).closeDirectory(name);
    expect((await site.scan()).summary.sent).toBe(0);
    for (const name of ['DC1', 'DC2']) expectTrue(site, name, [site.there]);
  });
});

it('a superseded directory is not quiet when its last change kept the time of the file', async () => {
  const site = makeProofSite(folder, server, 'sftp', { source: { settle: '0s', superseded: '30s' } });
  parser(site.root).writeFiles('DC1', 2);
  mkdirSync(`${site.root}/DC2`);
  const old = new Date('2026-01-01');
  for (const path of ['file-1', 'file-2', '.']) utimesSync(`${site.root}/DC1/${path}`, old, old);
  for (const process of ['the one that sends it', 'another one']) {
    const { exitCode, events } = await site.scan();
    expect(exitCode).toBe(0);
    expect(isFinished(site.root, 'DC1'), process).toBe(false);
    expect(JSON.stringify(events)).toContain('changed within the last 30 s');
  }
});
