import { execa } from 'execa';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  readdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

// Usage: node deb.ts [FOLDER [PACKAGE]]. Makes isocket_VERSION_ARCHITECTURE.deb there, with Node and the libraries in it: it needs nothing of
// npm. PACKAGE: what install.sh --pack made, if it did already.
const [FOLDER = '.', PACKAGE] = process.argv.slice(2);
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const PROGRAM = '/usr/lib/isocket';
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly [key in 'name' | 'version' | 'description' | 'license']: string;
};
const { name, description, license } = manifest;
/** A "~" sorts before nothing at all: 1.0.0~beta is older than 1.0.0. */
const version = manifest.version.replace('-', '~');
const architecture = ARCHITECTURES[process.arch];
if (architecture === undefined) throw new Error(`there is no Node to pack for ${process.arch}`);

const control = (kilobytes: number): string =>
  [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${name} <root@localhost>`,
    `Installed-Size: ${kilobytes}`,
    'Depends: libc6 (>= 2.28), libstdc++6, passwd',
    'Recommends: inotify-tools',
    'Suggests: rsync, openssh-client',
    'Section: net',
    'Priority: optional',
    `Description: ${description}`,
    ' A parser fills directories and closes each; isocket sends every file to one or',
    ' more destinations over SFTP or rsync, marks it when they have confirmed it, and',
    ' says when a directory is completely there. It runs from cron or as a daemon.',
    '',
  ].join('\n');

const write = (path: string, content: string, mode = 0o644): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
};

const kilobytesBelow = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + Math.ceil(statSync(join(parentPath, name)).size / 1024), 0);

const fill = async (root: string, stage: string): Promise<void> => {
  const packed = PACKAGE ?? `${stage}/isocket.tgz`;
  if (PACKAGE === undefined) await execa('sh', ['install.sh', '--pack', packed], { stdio: 'inherit' });
  await execa('tar', ['-xzf', packed, '-C', stage]);
  mkdirSync(`${root}/usr/lib`, { recursive: true });
  renameSync(`${stage}/package`, root + PROGRAM);
  const lib = root + PROGRAM;
  const [, flags = ''] = /^#!.* -S node (.*)$/m.exec(readFileSync(`${lib}/dist/cli.js`, 'utf8')) ?? [];
  write(
    `${root}/usr/bin/isocket`,
    `#!/bin/sh\nexec ${PROGRAM}/runtime/node ${flags} ${PROGRAM}/dist/cli.js "$@"\n`,
    0o755,
  );
  for (const unit of readdirSync(`${lib}/templates`).filter((file) => /\.(?:service|timer)$/.test(file))) {
    const text = readFileSync(`${lib}/templates/${unit}`, 'utf8').replaceAll('/usr/local/bin/', '/usr/bin/');
    write(`${root}/usr/lib/systemd/system/${unit}`, text);
  }
  cpSync(`${lib}/dist/share`, `${root}/usr/share`, { recursive: true });
  // Debian's name of the folder.
  renameSync(`${root}/usr/share/zsh/site-functions`, `${root}/usr/share/zsh/vendor-completions`);
  const licences = [readFileSync(`${lib}/LICENSE`, 'utf8'), readFileSync(`${lib}/dist/licences.txt`, 'utf8')];
  write(`${root}/usr/share/doc/${name}/copyright`, `License: ${license}\n\n${licences.join('\n')}`);
};

const stage = mkdtempSync(join(tmpdir(), 'isocket-deb-'));
try {
  const root = `${stage}/root`;
  await fill(root, stage);
  await execa('chmod', ['-R', 'u+rwX,go+rX,go-w', root]);
  for (const script of readdirSync('templates/debian'))
    write(`${root}/DEBIAN/${script}`, readFileSync(`templates/debian/${script}`, 'utf8'), 0o755);
  write(`${root}/DEBIAN/control`, control(kilobytesBelow(`${root}/usr`)));
  const file = resolve(FOLDER, `${name}_${version}_${architecture}.deb`);
  // gzip: a tenth larger than xz, and every dpkg reads it.
  await execa('dpkg-deb', ['-Zgzip', '--root-owner-group', '--build', root, file]);
  console.log(`made ${basename(file)}: apt install ./${basename(file)}`);
} finally {
  rmSync(stage, { recursive: true });
}
