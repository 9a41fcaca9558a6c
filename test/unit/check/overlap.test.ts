import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { earlierProbes, isProbeFile, isWithin, overlapLine } from '../../../src/check/overlap.ts';
import { checkState } from '../../../src/check/state.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'isocket-overlap-')));
  mkdirSync(join(folder, 'root/DC1/sub'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  ['/datas', '/datas', true],
  ['/datas/DC1', '/datas', true],
  ['/datas2', '/datas', false],
  ['/', '/datas', false],
  ['/var', '/', true],
])('%s within %s: %s', (path, root, expected) => expect(isWithin(path, root)).toBe(expected));

it.each([
  ['.isocket-0123abcd-probe.part', true],
  ['.isocket-0123abcd-probe-new.part', true],
  ['.isocket-0123abcd-check.part', true],
  ['.isocket-0123abcd-file.part', false],
  ['.isocket-check-0123abcd', false],
])('%s is a file of a probe: %s', (name, expected) => expect(isProbeFile(name)).toBe(expected));

describe('the overlap of root and destination', () => {
  const root = (): string => join(folder, 'root');
  it.each(['', 'DC1', 'DC1/sub'])('is found in the folder "%s" of the root', (below) => {
    const earlier = earlierProbes(root());
    writeFileSync(join(root(), below, '.isocket-0123abcd-check.part'), '');
    const line = overlapLine(root(), earlier);
    expect(line).toMatchObject({ state: 'failure' });
    expect(line?.message).toContain(`appears in "${join(root(), below)}"`);
  });

  it('is none where the file is elsewhere, or behind a link', () => {
    const earlier = earlierProbes(root());
    mkdirSync(join(folder, 'other'));
    writeFileSync(join(folder, 'other/.isocket-0123abcd-check.part'), '');
    symlinkSync(join(folder, 'other'), join(root(), 'DC1/link'));
    expect(overlapLine(root(), earlier)).toMatchObject({ state: 'ok' });
  });

  it('is none for a leftover of an earlier probe', () => {
    const path = join(root(), '.isocket-0123abcd-check.part');
    writeFileSync(path, '');
    const earlier = earlierProbes(root());
    expect(overlapLine(root(), earlier)).toMatchObject({ state: 'ok' });
    // Written anew, by whatever clock the file system has.
    writeFileSync(path, 'x');
    utimesSync(path, 1, 1);
    expect(overlapLine(root(), earlier)).toMatchObject({ state: 'failure' });
  });
});

describe('a state folder', () => {
  it.each([
    ['root', 'failure'],
    ['root/.state', 'failure'],
    ['root/not/there/yet', 'failure'],
    ['link/state', 'failure'],
    ['state', 'ok'],
    ['root2/state', 'ok'],
  ])('%s: %s', (path, state) => {
    symlinkSync(join(folder, 'root'), join(folder, 'link'));
    expect(checkState(join(folder, path), join(folder, 'root')).state).toBe(state);
  });
});
