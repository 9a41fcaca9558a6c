import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { targetFolder } from '../../../../src/cli/commands/restore-target.ts';
import { UserError } from '../../../../src/errors.ts';
import { planDirectory } from '../../../../src/maintain/restore/directory-plan.ts';
import { TargetTree } from '../../../../src/maintain/restore/target-tree.ts';
import { makeWorkFolder, removeEmptyWorkFolder, workFolderName } from '../../../../src/maintain/restore/work-folder.ts';
import type { StoredEntry } from '../../../../src/transport.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('what nothing is put over has the cure that helps, whatever the options', () => {
  mkdirSync(`${folder}/DC1/folder`, { recursive: true });
  symlinkSync('/tmp', `${folder}/DC1/link`);
  execFileSync('mkfifo', [`${folder}/DC1/fifo`]);
  writeFileSync(`${folder}/DC1/file`, 'other');
  const paths = ['folder', 'fifo', 'link/below', 'file/below', 'file'];
  const files = new Map(
    paths.map((path): [string, StoredEntry] => [path, { path: `DC1/${path}`, kind: 'file', size: 1, mtimeSeconds: 1 }]),
  );
  using target = new TargetTree(folder, 'DC1');
  for (const overwrite of [false, true]) {
    const { different, wanted } = planDirectory(target, files, { overwrite });
    const cured = different.filter(({ hint }) => hint === 'move it away, or restore to another folder with --to');
    expect(cured.map(({ path }) => path).sort()).toEqual(['fifo', 'file/below', 'folder', 'link/below']);
    expect([different.length, wanted.length]).toEqual(overwrite ? [4, 1] : [5, 0]);
  }
});

describe('the work folder', () => {
  it('goes with all empty folders in it, and stays with what a later restore goes on with', () => {
    const work = makeWorkFolder(folder, 'DC1', 'scratch');
    mkdirSync(`${work}/scratch/DC1/sub`, { recursive: true });
    writeFileSync(`${work}/scratch/DC1/part`, '');
    removeEmptyWorkFolder(folder, 'DC1', ['tree', 'scratch']);
    expect(readdirSync(`${work}/scratch/DC1`)).toEqual(['part']);
    rmSync(`${work}/scratch/DC1/part`);
    removeEmptyWorkFolder(folder, 'DC1', ['tree', 'scratch']);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is ours alone, and what is in it has the mode of any new folder', () => {
    makeWorkFolder(folder, 'DC1', 'tree');
    mkdirSync(`${folder}/any`);
    const modeOf = (path: string): number => statSync(`${folder}/${path}`).mode & 0o777;
    const work = workFolderName('DC1');
    expect([modeOf(work), modeOf(`${work}/tree`)]).toEqual([0o700, modeOf('any')]);
  });
});

describe('--to', () => {
  it.each(['file', 'file/below/it', 'state', 'state/records', 'root', 'root/x'])('is refused: %s', (name) => {
    writeFileSync(`${folder}/file`, '');
    mkdirSync(`${folder}/state`);
    mkdirSync(`${folder}/root`);
    const site = { root: `${folder}/root`, state: `${folder}/state` };
    for (const makes of [false, true]) {
      const refused = expect(() => targetFolder(`${folder}/${name}`, { ...site, makes }));
      refused.toThrow(UserError);
      refused.toThrow(expect.objectContaining({ exitCode: 2, hint: expect.stringContaining('--to') as unknown }));
    }
  });

  it('is made where it is missing', () => {
    const site = { root: `${folder}/root`, state: `${folder}/state` };
    expect(targetFolder(`${folder}/a/b`, { ...site, makes: true })).toBe(`${folder}/a/b`);
    expect(existsSync(`${folder}/a/b`)).toBe(true);
  });
});
