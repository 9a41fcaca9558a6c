import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type CodeSplittingNameFunction } from 'rolldown';
import { bashCompletion, fishCompletion, zshCompletion } from './src/cli/manual/completions.ts';
import { manPage } from './src/cli/manual/man-page.ts';

// Usage: node build.ts [FOLDER]. One bundle of a few files in place of three hundred modules: finding and reading those took as long as
// sending a thousand files. ssh2 stays a separate package: the part that guards the connection can be updated by itself.
const [FOLDER = 'dist'] = process.argv.slice(2);
const EXTERNAL = ['ssh2'];

/** What npm writes of a package into its package.json, and into package-lock.json. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  /** The old form of `license`. */
  readonly licenses?: readonly { readonly type: string }[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Library extends Manifest {
  /** Its folder; there is none where an optional package was not installed. */
  readonly folder: string;
  readonly bundled: boolean;
  readonly optional: boolean;
}

type Modules = Parameters<CodeSplittingNameFunction>[1];

/** The modules that are loaded with these, unless on demand. */
const loadedWith = (modules: Modules, ...paths: string[]): ReadonlySet<string> => {
  const found = new Set(paths.map((path) => join(import.meta.dirname, path)));
  for (const id of found) for (const imported of modules.getModuleInfo(id)?.importedIds ?? []) found.add(imported);
  return found;
};

/**
 * Two files for what each command needs, and what a pass over a site does. rolldown has one for each set of commands that share something,
 * 72 of them for an empty scan: a quarter of its processor time was for finding and reading them. What a plug-in imports stays apart.
 */
const createParts = (): CodeSplittingNameFunction => {
  let parts: readonly (readonly [name: string, part: ReadonlySet<string>])[] | undefined;
  return (id, modules) => {
    parts ??= [
      ['shared', loadedWith(modules, 'src/transport.ts')],
      ['start', loadedWith(modules, 'src/host/home.ts', 'src/cli/unprinted.ts', 'src/cli/program.ts')],
      ['pass', loadedWith(modules, 'src/cli/commands/scan.ts')],
    ];
    return parts.find(([, part]) => part.has(id))?.[0];
  };
};

const bundle = async (): Promise<string[]> => {
  const { output } = await build({
    input: {
      cli: 'src/cli.ts',
      transport: 'src/transport.ts',
      'transport-suite/suite': 'src/transport-suite/suite.ts',
    },
    platform: 'node',
    external: EXTERNAL,
    preserveEntrySignatures: 'allow-extension',
    output: {
      dir: FOLDER,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      codeSplitting: { includeDependenciesRecursively: false, groups: [{ debugName: 'parts', name: createParts() }] },
    },
  });
  return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
};

/** What the browser gets at `status.listen`: three files. */
const bundlePage = async (): Promise<string[]> => {
  const [source, target] = ['src/status/page', `${FOLDER}/page`];
  const { output } = await build({
    input: `${source}/main.ts`,
    platform: 'browser',
    // What the page takes of our modules needs nothing of Node.
    external: [/^node:/],
    treeshake: { moduleSideEffects: [{ external: true, sideEffects: false }] },
    output: { dir: target, format: 'esm', entryFileNames: 'page.js', minify: true },
  });
  const styles = ['node_modules/uplot/dist/uPlot.min.css', `${source}/page.css`].map((path) =>
    readFileSync(path, 'utf8'),
  );
  writeFileSync(`${target}/page.css`, styles.join('\n'));
  copyFileSync(`${source}/index.html`, `${target}/index.html`);
  return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
};

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const readManifest = (folder: string): Manifest => readJson(`${folder}/package.json`) as Manifest;

/** The packages that the modules of a bundle come from. The helpers that rolldown adds are a part of rolldown. */
const bundledLibraries = (moduleIds: readonly string[]): Library[] => {
  const folders = moduleIds.flatMap((id) =>
    id.startsWith('\0rolldown/')
      ? [join(import.meta.dirname, 'node_modules/rolldown')]
      : (/^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id) ?? []),
  );
  return [...new Set(folders)].map((folder) => ({ ...readManifest(folder), folder, bundled: true, optional: false }));
};

/** The packages that npm installs beside isocket: those that are not bundled and what they need, as the lock file has them. */
const installedLibraries = (): Library[] => {
  const { packages } = readJson('package-lock.json') as { packages: Record<string, Manifest & { optional?: boolean }> };
  const found = new Map<string, Library>();
  const visit = (name: string): void => {
    const folder = `node_modules/${name}`;
    const locked = packages[folder];
    if (locked === undefined) throw new Error(`package-lock.json has no ${folder}`);
    if (found.has(name)) return;
    const optional = locked.optional === true;
    found.set(name, { ...readLicence(folder), ...locked, name, folder, bundled: false, optional });
    for (const needed of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) visit(needed);
  };
  EXTERNAL.forEach(visit);
  return [...found.values()];
};

/** The lock file leaves out the old form. */
const readLicence = (folder: string): Pick<Manifest, 'license'> => {
  try {
    const { license, licenses } = readManifest(folder);
    const text = license ?? licenses?.map(({ type }) => type).join(' OR ');
    return text === undefined ? {} : { license: text };
  } catch {
    return {};
  }
};

/** @throws Error where the library has no licence file: most licences require a copy of their text */
const licenceText = ({ name, version, folder }: Library): string => {
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${folder} has no licence`);
  return `--- ${name} ${version}\n\n${readFileSync(`${folder}/${file}`, 'utf8')}`;
};

const purl = ({ name, version }: Manifest): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

const identity = (library: Manifest): object => {
  const { name, version, license } = library;
  const [scope, own] = name.startsWith('@') ? name.split('/') : [];
  return {
    'bom-ref': purl(library),
    ...(scope === undefined ? { name } : { group: scope, name: own }),
    version,
    ...(license === undefined
      ? {}
      : { licenses: [/^[\w.+-]+$/.test(license) ? { license: { id: license } } : { expression: license }] }),
    purl: purl(library),
  };
};

/** CycloneDX 1.6. Without a time and a serial number: the same sources give the same bytes. */
const softwareBill = (root: Manifest, libraries: readonly Library[]): object => {
  const refs = new Map(libraries.map((library) => [library.name, purl(library)]));
  const needs = (of: Manifest): object => {
    const names = Object.keys({
      ...of.dependencies,
      ...of.optionalDependencies,
      ...(of === root ? of.devDependencies : {}),
    });
    return { ref: purl(of), dependsOn: names.flatMap((name) => refs.get(name) ?? []).toSorted() };
  };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', ...identity(root), description: root.description } },
    components: libraries.map((library) => ({
      type: 'library',
      ...identity(library),
      scope: library.optional ? 'optional' : 'required',
      // "false": not in the bundle, installed beside it by npm.
      properties: [{ name: 'isocket:bundled', value: String(library.bundled) }],
    })),
    dependencies: [root, ...libraries].map(needs),
  };
};

/** What a shell and man(1) read: where they look for it, under its name there. */
const writeManual = (): void => {
  const files = {
    'share/man/man1/isocket.1': manPage(readManifest('.').version),
    'share/bash-completion/completions/isocket': bashCompletion(),
    'share/zsh/site-functions/_isocket': zshCompletion(),
    'share/fish/vendor_completions.d/isocket.fish': fishCompletion(),
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(`${FOLDER}/${path}`), { recursive: true });
    writeFileSync(`${FOLDER}/${path}`, content);
  }
};

rmSync(FOLDER, { recursive: true, force: true });
const byName = (libraries: readonly Library[]): Library[] => libraries.toSorted((a, b) => (purl(a) < purl(b) ? -1 : 1));
/** Of the clone that is built. install.sh builds a copy, and says it. */
function commitHere(): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'not known';
}

const bundled = byName(bundledLibraries([...(await bundle()), ...(await bundlePage())]));
writeFileSync(`${FOLDER}/licences.txt`, bundled.map(licenceText).join('\n'));
const bill = softwareBill(readManifest('.'), byName([...bundled, ...installedLibraries()]));
writeFileSync(`${FOLDER}/sbom.cdx.json`, `${JSON.stringify(bill, null, 2)}\n`);
writeManual();
writeFileSync(`${FOLDER}/commit`, `${process.env.ISOCKET_COMMIT ?? commitHere()}\n`);
