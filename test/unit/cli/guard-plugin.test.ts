import { describe, expect, it } from 'vitest';
import { guardPlugin } from '../../../src/cli/commands/guard-plugin.ts';
import { TransportError, UserError } from '../../../src/errors.ts';
import type { ProbeResult, Transport, TransportContext } from '../../../src/transport.ts';

const signal = new AbortController().signal;
const file = {
  sourcePath: '/datas/DC1/a\n',
  targetPath: 'DC1/a\n',
  mode: 0o640,
  identity: { dev: 1n, ino: 1n, size: 1n, mtimeNs: 1n, ctimeNs: 1n },
};
const whole = (): Record<PropertyKey, unknown> => ({
  label: 'x://y',
  inFlight: 3,
  send: () => Promise.resolve(),
  verify: () => Promise.resolve([]),
  tidy: () => Promise.resolve(),
  probe: () => [],
  [Symbol.asyncDispose]: () => Promise.resolve(),
});
const logged: string[] = [];
const context: TransportContext = {
  site: 'site',
  owner: '01234567',
  stateFolder: '/nowhere',
  durable: false,
  bandwidth: null,
  log: (level, message) => void logged.push(`${level}: ${message}`),
};
const guarded = (members: Record<PropertyKey, unknown>): Transport =>
  guardPlugin('./x.mjs', {
    name: 'x',
    parseOptions: () => ({}),
    connect: () => ({ ...whole(), ...members }),
  }).connect({}, context);
const thrownBy = (act: () => unknown): unknown => {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
};
const boom = () => Promise.reject(new TypeError('boom'));

describe('a module that lacks something is a UserError that names it', () => {
  it.each<[unknown, string]>([
    [undefined, 'it has no default export'],
    [null, 'its default export has no name, parseOptions and connect'],
    [{ name: 'x', connect: () => whole() }, 'its default export has no parseOptions'],
    [{ name: 7, parseOptions: 7, connect: () => whole() }, 'its default export has no name and parseOptions'],
  ])('%o', (exported, words) => {
    const error = thrownBy(() => guardPlugin('./x.mjs', exported));
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message: `Cannot use transport "./x.mjs": ${words}`, exitCode: 2 });
  });

  it.each<[string, Record<PropertyKey, unknown>, string]>([
    ['send', { send: undefined }, 'what its connect returned has no send'],
    ['verify', { verify: {} }, 'what its connect returned has no verify'],
    ['label and tidy', { label: undefined, tidy: undefined }, 'what its connect returned has no label and tidy'],
    ['probe', { probe: null }, 'what its connect returned has no probe'],
    ['disposal', { [Symbol.asyncDispose]: undefined }, 'what its connect returned has no [Symbol.asyncDispose]'],
    ['a count', { inFlight: '8' }, 'what its connect returned has no inFlight'],
    ['a count above 0', { inFlight: 0 }, 'its inFlight is 0: expected 1 or more'],
    ['a count that is one', { inFlight: NaN }, 'its inFlight is NaN: expected 1 or more'],
    ['a list that is a function', { list: [] }, 'what its connect returned has no list that is a function'],
  ])('%s', (_what, members, words) => {
    const error = thrownBy(() => guarded(members));
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message: `Cannot use transport "./x.mjs": ${words}`, exitCode: 2 });
  });

  it('has no list where the transport has none', () => {
    expect('list' in guarded({})).toBe(false);
    expect('list' in guarded({ list: () => Promise.resolve() })).toBe(true);
  });
});

describe('what a plug-in throws is its own error', () => {
  const plugin = (members: object) =>
    guardPlugin('./x.mjs', { name: 'x', parseOptions: boom, connect: boom, ...members });

  it.each<[string, () => unknown, string]>([
    [
      'from parseOptions',
      () => {
        throw new TypeError('boom');
      },
      'its parseOptions failed: boom',
    ],
    [
      'a promise from parseOptions',
      async () => Promise.resolve({}),
      'its parseOptions returned a promise: it must not be async',
    ],
  ])('%s', (_what, parseOptions, words) => {
    const error = thrownBy(() => plugin({ parseOptions }).parseOptions({}));
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message: `Cannot use transport "./x.mjs": ${words}` });
  });

  it('a UserError from parseOptions and from connect stays as it is', () => {
    const error = new UserError('not so');
    const refuse = () => {
      throw error;
    };
    expect(thrownBy(() => plugin({ parseOptions: refuse }).parseOptions({}))).toBe(error);
    expect(thrownBy(() => plugin({ connect: refuse }).connect({}, context))).toBe(error);
  });

  it.each<[string, (transport: Transport) => Promise<unknown>, string]>([
    ['send', (transport) => transport.send(file, signal), 'Cannot send "DC1/a\\n"'],
    ['verify', (transport) => transport.verify([], { checksum: false }, signal), 'Cannot verify files'],
    ['list', (transport) => transport.list?.('DC1', () => undefined, signal) ?? Promise.resolve(), 'Cannot list "DC1"'],
    ['tidy', (transport) => transport.tidy([], signal), 'Cannot remove temporary files'],
  ])('from %s', async (member, call, action) => {
    logged.length = 0;
    for (const failing of [
      boom,
      () => {
        throw new TypeError('boom');
      },
    ]) {
      const error: unknown = await call(guarded({ [member]: failing })).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TransportError);
      expect(error).toMatchObject({ class: 'file', message: `${action}: transport "./x.mjs" failed: boom` });
    }
    expect(logged[0]).toMatch(/^info: TypeError: boom\n +at /);
  });

  it('verify that resolves with no list', async () => {
    const transport = guarded({ verify: () => Promise.resolve() });
    await expect(transport.verify([], { checksum: false }, signal)).rejects.toThrow('did not resolve with a list');
  });

  it('from the probe: a result with a hint, after those before it', async () => {
    const results: ProbeResult[] = [];
    const probe = async function* () {
      yield { what: 'login', state: 'ok', message: 'fine' };
      await boom();
    };
    for await (const result of guarded({ probe }).probe(signal)) results.push(result);
    expect(results).toMatchObject([
      { what: 'login', state: 'ok' },
      { what: 'probe', state: 'failure', message: expect.stringContaining('"./x.mjs" failed: boom') as string },
    ]);
    expect(results[1]?.hint).toMatch(/report it to its author/);
  });

  it('from its disposal: a warning', async () => {
    logged.length = 0;
    await guarded({ [Symbol.asyncDispose]: boom })[Symbol.asyncDispose]();
    expect(logged).toEqual(['warning: Cannot close x://y: transport "./x.mjs" failed: boom']);
  });

  it('after an abort: the reason', async () => {
    const stop = new Error('stop');
    await expect(guarded({ send: boom }).send(file, AbortSignal.abort(stop))).rejects.toBe(stop);
    const probe = () => {
      throw new TypeError('boom');
    };
    await expect(guarded({ probe }).probe(AbortSignal.abort(stop))[Symbol.asyncIterator]().next()).rejects.toBe(stop);
  });

  it('of a class that isocket knows, it stays as it is; of another class, the file failed', async () => {
    const error = new TransportError('network', 'gone');
    await expect(guarded({ send: () => Promise.reject(error) }).send(file, signal)).rejects.toBe(error);
    const strange = Object.assign(new TransportError('file', 'odd'), { class: 'weather' });
    await expect(guarded({ send: () => Promise.reject(strange) }).send(file, signal)).rejects.toMatchObject({
      class: 'file',
      message: 'Cannot send "DC1/a\\n": transport "./x.mjs" failed: odd',
    });
  });

  it('a count that turns bad later counts as 1', () => {
    const members = { ...whole(), inFlight: 4 };
    const transport = guardPlugin('x', { name: 'x', parseOptions: () => 0, connect: () => members }).connect(
      0,
      context,
    );
    expect(transport.inFlight).toBe(4);
    for (const bad of [0, NaN, -1]) {
      members.inFlight = bad;
      expect(transport.inFlight).toBe(1);
    }
  });
});
