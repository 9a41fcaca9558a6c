import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type Outcome, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const NOBODY = 65534;

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-told-verify-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Destination {
  readonly port: number;
}

const destinationsOf = (change: (destination: Destination) => readonly object[]): void => {
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: Destination };
  writeFileSync(site.config, JSON.stringify({ ...config, destination: change(config.destination) }));
};

const lastLine = ({ stdout }: Outcome): unknown => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');

describe('verify --repair', () => {
  it('sends at once what it takes the mark off, however long files must settle', async () => {
    const { writeFiles, makeDirectory } = parser(site.root);
    writeFiles('DC1', 3);
    makeDirectory('DC2'); // DC1 is superseded: with finished.parse nothing has to settle.
    expect((await site.scan()).summary).toMatchObject({ sent: 3, finished: 1 });
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly source: object };
    writeFileSync(site.config, JSON.stringify({ ...config, source: { ...config.source, settle: '1h' } }));
    rmSync(`${server.folder}/DC1/file-2`);
    const outcome = await site.run(['verify', '--repair', '--json']);
    expect(outcome.exitCode, outcome.stdout).toBe(0);
    expect(lastLine(outcome)).toMatchObject({ checked: 3, missing: 1 });
    expect(existsSync(`${server.folder}/DC1/file-2`)).toBe(true);
    expect(existsSync(`${site.root}/DC1/finished.watch`)).toBe(true);
  });
});

describe('verify with one of two destinations down', () => {
  // More directories than are compared side by side: the failure of one must not end the others.
  const NAMES = Array.from({ length: 9 }, (_, index) => `DC${index + 1}`);

  it.each([
    ['first', (here: Destination) => [{ ...here, port: 1 }, here]],
    ['second', (here: Destination) => [here, { ...here, port: 1 }]],
  ])('checks the other one, where the %s is down, and says which could not be checked', async (_which, both) => {
    const { writeFiles, closeDirectory } = parser(site.root);
    for (const name of NAMES) {
      writeFiles(name, 3);
      closeDirectory(name);
    }
    expect((await site.scan()).exitCode).toBe(0);
    rmSync(`${server.folder}/DC2/file-1`);
    rmSync(`${server.folder}/DC9/file-3`);
    destinationsOf(both);

    const outcome = await site.run(['verify', '--json']);
    expect(outcome.exitCode).toBe(3);
    const label = expect.stringContaining(':1') as string;
    expect(lastLine(outcome)).toEqual({
      type: 'summary',
      checked: 27,
      missing: 2,
      different: 0,
      unchecked: [label],
    });
    const found = outcome.events.filter(({ type }) => type === 'discrepancy');
    expect(found.map((event) => 'path' in event && event.path).toSorted()).toEqual(['DC2/file-1', 'DC9/file-3']);
    const warnings = outcome.events.filter((event) => event.type === 'note' && event.level === 'warning');
    expect(warnings).toHaveLength(1);

    const text = await site.run(['verify']);
    expect(text.exitCode).toBe(3);
    expect(text.stdout).toMatch(/^27 files: 2 missing, 0 different; NOT CHECKED: .*:1\S*$/m);
    expect(text.stderr).toMatch(/warning: Cannot verify at .*:1.*: .+; /);
  });
});

describe('verify --checksum with a file that the account may not read at the destination', () => {
  it('names it and its cure, and compares the others of its directory', async () => {
    // The server's account is not the superuser, who may read everything.
    const command = (): string =>
      `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups /usr/lib/openssh/sftp-server`;
    await using sshd = await startSshd(folder, { command });
    chmodSync(folder, 0o755);
    chownSync(sshd.folder, NOBODY, NOBODY);
    site = makeSite(folder, sshd, { name: 'other' });
    parser(site.root).writeFiles('DC1', 9);
    expect((await site.scan()).exitCode).toBe(0);
    const at = (name: string): string => `${sshd.folder}/DC1/${name}`;
    const { mtime } = statSync(at('file-7'));
    writeFileSync(at('file-7'), Buffer.alloc(1000, 1));
    utimesSync(at('file-7'), mtime, mtime);
    chmodSync(at('file-3'), 0);
    const outcome = await site.run(['verify', '--checksum', '--json']);
    expect(outcome.exitCode).toBe(3);
    expect(lastLine(outcome)).toMatchObject({ checked: 8, missing: 0, different: 1, unchecked: [expect.any(String)] });
    const warnings = outcome.events.flatMap((event) => (event.type === 'note' ? [event.message] : []));
    expect(warnings).toEqual([
      expect.stringMatching(
        /Cannot read "DC1\/file-3" at .*: the server refuses OPEN to read \(Permission denied\); .*right to read/,
      ),
    ]);
  });
});
