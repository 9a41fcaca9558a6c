import { execa } from 'execa';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;

interface Component {
  readonly type: string;
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly scope: string;
  readonly licenses?: readonly ({ readonly license: { readonly id: string } } | { readonly expression: string })[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}
interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly version: number;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
interface Locked {
  readonly version: string;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const packageOf = ({ group, name }: Component): string => (group === undefined ? name : `${group}/${name}`);
const isBundled = ({ properties }: Component): boolean =>
  properties.some(({ name, value }) => name === 'isocket:bundled' && value === 'true');

describe('what is built', () => {
  let folder: string;
  let dist: string;
  let bill: Bill;
  let code: string;
  const build = (to: string) => execa(process.execPath, ['build.ts', to], { cwd: ROOT });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isocket-build-'));
    dist = `${folder}/dist`;
    await build(dist);
    bill = readJson(`${dist}/sbom.cdx.json`) as Bill;
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
    code = files.map((file) => readFileSync(`${dist}/${file}`, 'utf8')).join('\n');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('has a bill of materials in the shape of CycloneDX 1.6', () => {
    expect(bill).toMatchObject({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: { component: { type: 'application', name: 'isocket' } },
    });
    for (const component of bill.components) {
      expect(component.type).toBe('library');
      expect(component.purl).toBe(`pkg:npm/${packageOf(component).replace('@', '%40')}@${component.version}`);
      expect(['required', 'optional']).toContain(component.scope);
      expect(component.licenses?.length, packageOf(component)).toBe(1);
    }
    const refs = [bill.metadata.component, ...bill.components].map((component) => component['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(bill.dependencies.map(({ ref }) => ref)).toEqual(refs);
    for (const { dependsOn } of bill.dependencies) for (const ref of dependsOn) expect(refs).toContain(ref);
    // Every component is reached from isocket.
    const reached = new Set<string>();
    const visit = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      bill.dependencies.find((entry) => entry.ref === ref)?.dependsOn.forEach(visit);
    };
    visit(bill.metadata.component['bom-ref']);
    expect(refs.filter((ref) => !reached.has(ref))).toEqual([]);
  });

  it('lists each package whose code is in the bundle, with its version', () => {
    const bundled = bill.components.filter(isBundled).map((each) => `${packageOf(each)} ${each.version}`);
    // rolldown writes above each module where it comes from.
    const modules = [...code.matchAll(/^\s*\/\/ ((?:.*\/)?node_modules\/(?:@[^/\n]+\/)?[^/\n]+)\//gm)];
    const folders = new Set(modules.map(([, folderOf = '']) => folderOf));
    expect(folders.size).toBeGreaterThan(10);
    for (const folderOf of folders) {
      const { name, version } = readJson(`${ROOT}/${folderOf}/package.json`) as Locked & { name: string };
      expect(bundled).toContain(`${name} ${version}`);
    }
    const { packages } = readJson(`${ROOT}/package-lock.json`) as { packages: Record<string, Locked> };
    const locked = Object.entries(packages).map(
      ([path, { version }]) => `${path.replace(/.*node_modules\//, '')} ${version}`,
    );
    expect(bundled.filter((each) => !locked.includes(each))).toEqual([]);
  });

  it('lists what it imports and does not hold, and what that needs, as the lock file has it', () => {
    const imports = [...code.matchAll(/^import (?:.* from )?"([^."][^"]*)";$|\bimport\("([^."][^"]*)"\)/gm)].map(
      ([, always = '', later = always]) => later,
    );
    const external = new Set(imports.filter((name) => !isBuiltin(name)));
    expect([...external]).toEqual(['ssh2']);
    const { packages } = readJson(`${ROOT}/package-lock.json`) as { packages: Record<string, Locked> };
    const expected = new Map<string, Locked>();
    const visit = (name: string): void => {
      const locked = packages[`node_modules/${name}`];
      if (locked === undefined || expected.has(name)) return;
      expected.set(name, locked);
      Object.keys({ ...locked.dependencies, ...locked.optionalDependencies }).forEach(visit);
    };
    external.forEach(visit);
    const installed = bill.components.filter((component) => !isBundled(component));
    expect(installed.map((component) => [packageOf(component), component.version, component.scope])).toEqual(
      [...expected]
        .map(([name, { version, optional = false }]) => [name, version, optional ? 'optional' : 'required'])
        .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    );
  });

  it('has the licence of each bundled package beside it', () => {
    const licences = readFileSync(`${dist}/licences.txt`, 'utf8');
    const headings = [...licences.matchAll(/^--- (\S+) (\S+)$/gm)].map(([, name, version]) => `${name} ${version}`);
    expect(headings).toEqual(bill.components.filter(isBundled).map((each) => `${packageOf(each)} ${each.version}`));
    for (const text of licences.split(/^--- .*$/m).slice(1)) expect(text.trim().length).toBeGreaterThan(400);
  });

  it('is the same when it is built again', async () => {
    await build(`${folder}/again`);
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).toSorted();
    expect(readdirSync(`${folder}/again`, { recursive: true, encoding: 'utf8' }).toSorted()).toEqual(files);
    for (const file of files.filter((name) => statSync(`${dist}/${name}`).isFile()))
      expect(readFileSync(`${folder}/again/${file}`).equals(readFileSync(`${dist}/${file}`)), file).toBe(true);
  });
});

describe('the npm package', () => {
  const manifest = readJson(`${ROOT}/package.json`) as {
    readonly os: readonly string[];
    readonly engines: { readonly node: string };
    readonly scripts: Readonly<Record<string, string>>;
  };

  it('is for Linux and the Node that the program asks for', () => {
    const oldest = /OLDEST_NODE = (\d+)/.exec(readFileSync(`${ROOT}/src/cli.ts`, 'utf8'))?.[1];
    expect(manifest).toMatchObject({ os: ['linux'], engines: { node: `>=${oldest}` } });
  });

  it('is installed with the Node of the lock file, whose checksum is that of the binary that npm brought', async () => {
    const script = readFileSync(`${ROOT}/install.sh`, 'utf8');
    const { packages } = readJson(`${ROOT}/package-lock.json`) as { packages: Readonly<Record<string, Locked>> };
    expect(/^NODE_VERSION=(.*)$/m.exec(script)?.[1]).toBe(packages['node_modules/node']?.version);
    const { stdout } = await execa('sha256sum', [`${ROOT}/node_modules/node/bin/node`]);
    const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
    expect(new RegExp(`^NODE_SHA256_${arch}=(.*)$`, 'm').exec(script)?.[1]).toBe(stdout.split(' ')[0]);
  });

  it('holds every file that a document in it links to', async () => {
    // The bundle is not needed for this, so it is not built.
    const { stdout } = await execa('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
    const packed = JSON.parse(stdout) as readonly { readonly files: readonly { readonly path: string }[] }[];
    const paths = packed.flatMap(({ files }) => files.map(({ path }) => path));
    const documents = paths.filter((path) => path.endsWith('.md'));
    expect(documents).toContain('README.md');
    const links = documents.flatMap((document) =>
      linksOf(document).map((link) => ({ document, target: posix.join(posix.dirname(document), link) })),
    );
    expect(links.length).toBeGreaterThan(5);
    const isPacked = (target: string): boolean =>
      paths.some((path) => path === target || path.startsWith(`${target.replace(/\/$/, '')}/`));
    expect(links.filter(({ target }) => !isPacked(target))).toEqual([]);
    // What README.md names without a link.
    for (const [, named = ''] of readFileSync(`${ROOT}/README.md`, 'utf8').matchAll(/`(templates\/[\w./-]+)`/g))
      expect(existsSync(`${ROOT}/${named}`) && isPacked(named), named).toBe(true);
  });
});

/** The relative links of a document, without their fragment. */
const linksOf = (document: string): string[] =>
  [...readFileSync(`${ROOT}/${document}`, 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)/g)].map(
    ([, link = '']) => link,
  );
