import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseDestination } from '../../../src/cli/commands/choose-destination.ts';
import { connectForReading, orAnother } from '../../../src/cli/commands/connect-for-reading.ts';
import type { Config } from '../../../src/config/config.ts';
import { TransportError, UserError } from '../../../src/errors.ts';
import type { Transport } from '../../../src/transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'isocket-reading-'));
afterAll(() => rmSync(folder, { recursive: true }));

const labelled = (label: string, isReadable = true): Transport =>
  ({ label, ...(isReadable ? { fetch: () => undefined, listTree: () => undefined } : {}) }) as unknown as Transport;
const all = [labelled('sftp://u@127.0.0.1:2222/ED1'), labelled('sftp://u@127.0.0.1:2223/ED2')];

describe('--from', () => {
  it.each([
    ['1', 0],
    ['2', 1],
    ['ED2', 1],
    ['sftp://u@127.0.0.1:2222/ED1', 0],
  ])('%s', (from, index) => expect(chooseDestination(all, from)).toBe(all[index]));
  it.each(['3', '2222', '0', '22', ''])(
    'a number names no part of an address, and nothing names nothing: %j',
    (from) => {
      for (const some of [all, all.slice(0, 1)]) expect(() => chooseDestination(some, from)).toThrow(UserError);
      expect(() => chooseDestination(all, from)).toThrow('there is no such destination');
    },
  );
  it('is named where the first destination cannot be reached, and nobody chose it', () => {
    const [first = labelled('none')] = all;
    const error = new TransportError('network', 'nothing listens there', { hint: 'see that it runs' });
    expect(orAnother(error, first, { all, from: undefined })).toMatchObject({
      class: 'network',
      message: 'nothing listens there',
      hint: 'see that it runs; or take another destination: --from 2 (sftp://u@127.0.0.1:2223/ED2)',
    });
    expect(orAnother(error, first, { all, from: '1' })).toBe(error);
    expect(orAnother(error, first, { all: [first, labelled('o', false)], from: undefined })).toBe(error);
    const own = new TransportError('file', 'no');
    expect(orAnother(own, first, { all, from: undefined })).toBe(own);
  });
});

it.each([
  ['that is lost', false],
  ['of this user', true],
])('who only reads works with a state folder %s', async (_what, isThere) => {
  const state = `${folder}/state-${isThere}`;
  if (isThere) mkdirSync(state, { mode: 0o700 });
  let used = '';
  const connect = (_options: unknown, { stateFolder }: { readonly stateFolder: string }) => {
    used = stateFolder;
    return { label: 'x', [Symbol.asyncDispose]: () => Promise.resolve() };
  };
  const destinations = [{ plugin: { connect }, options: {}, place: 0 }];
  const config = { site: 's', source: { root: '/r' }, destinations, bestEffort: [], send: { durable: true }, state };
  const stack = new AsyncDisposableStack();
  connectForReading(config as unknown as Config, () => undefined, stack);
  expect(used.startsWith(`${state}/`)).toBe(isThere);
  const base = used.replace(/\/transports\/0$/, '');
  expect([existsSync(base), existsSync(state)]).toEqual([true, isThere]);
  await stack.disposeAsync();
  expect([existsSync(base), existsSync(state)]).toEqual([isThere, isThere]);
});
