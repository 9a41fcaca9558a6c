import { defaultLoaders } from 'cosmiconfig';
import { execa } from 'execa';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rclone } from '../../src/transports/rclone/plugin.ts';
import { rsync as rsyncPlugin } from '../../src/transports/rsync/plugin.ts';
import { sftp } from '../../src/transports/sftp/plugin.ts';

const TEMPLATES = new URL('../../templates', import.meta.url).pathname;
const UNITS = ['isocket@.service', 'isocket-scan@.service', 'isocket-receive.service'] as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-units-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const template = (name: string): string => readFileSync(`${TEMPLATES}/${name}`, 'utf8');

it('systemd finds nothing wrong with the units', async () => {
  const program = `${folder}/isocket`;
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  const names = [...UNITS, 'isocket@.timer'];
  mkdirSync(`${folder}/units`);
  for (const name of names) {
    const instance = name.replace('@.', '@ED1.');
    writeFileSync(`${folder}/units/${name}`, template(name).replaceAll('/usr/local/bin/isocket', program));
    if (instance !== name) writeFileSync(`${folder}/units/${instance}`, template(name).replaceAll('/usr/local/bin/isocket', program)); // prettier-ignore
  }
  const files = names.map((name) => `${folder}/units/${name.replace('@.', '@ED1.')}`);
  const { stderr, stdout } = await execa('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...files], {
    env: { SYSTEMD_UNIT_PATH: `${folder}/units:` },
  });
  const about = `${stdout}\n${stderr}`.split('\n').filter((line) => line.includes(folder) || line.includes('isocket'));
  expect(about).toEqual([]);
});

it.each(UNITS)('%s is exposed 3.0 or less', async (name) => {
  await execa('systemd-analyze', [
    'security',
    '--offline=true',
    '--no-pager',
    '--threshold=30',
    `${TEMPLATES}/${name}`,
  ]);
});

it('all samples say the same but for the destination', () => {
  const read = (name: string) =>
    defaultLoaders['.yaml'](name, template(name)) as { destination: Record<string, unknown> };
  const [sftp, rsync] = [read('isocketrc.yaml'), read('isocketrc-rsync.yaml')];
  expect({ ...read('isocketrc-rclone.yaml'), destination: undefined }).toEqual({ ...sftp, destination: undefined });
  expect({ ...rsync, destination: undefined }).toEqual({ ...sftp, destination: undefined });
  expect(Object.keys(rsync.destination).filter((key) => !(key in sftp.destination))).toEqual([]);
});

it.each([
  ['isocketrc.yaml', sftp, { path: '/backup/ED1' }],
  ['isocketrc-rsync.yaml', rsyncPlugin, { path: '/backup/ED1' }],
  ['isocketrc-rclone.yaml', rclone, { remote: 's3:bucket/ED1' }],
] as const)('%s is what its transport takes', (name, plugin, options) => {
  const { destination } = defaultLoaders['.yaml'](name, template(name)) as { destination: Record<string, unknown> };
  expect(destination.transport).toBe(plugin.name);
  expect(plugin.parseOptions(destination)).toMatchObject(options);
  expect(() => plugin.parseOptions({ ...destination, prot: 22 })).toThrow('prot');
});

it('cron reads its line: five fields, a user, a command without "%"', () => {
  const lines = template('isocket.cron').split('\n').filter((line) => line !== '' && !line.startsWith('#')); // prettier-ignore
  expect(lines[0]).toMatch(/^PATH=/);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^\*\/5 \* \* \* \* isocket [^%]+$/);
});
