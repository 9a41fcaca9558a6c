import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'rolldown';

// One bundle of a few files in place of three hundred modules: finding and reading those took as long as sending a thousand files.
// ssh2 stays a separate package: the part that guards the connection can be updated by itself.
rmSync('dist', { recursive: true, force: true });
const { output } = await build({
  input: { cli: 'src/cli.ts', transport: 'src/transport.ts', 'transport-suite/suite': 'src/transport-suite/suite.ts' },
  platform: 'node',
  external: ['ssh2'],
  output: { dir: 'dist', format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
});

const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
const libraries = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id) ?? []));
writeFileSync('dist/licences.txt', [...libraries].toSorted().map(licenceOf).join('\n'));

/** @throws Error where the library has no licence file: most licences require a copy of their text */
function licenceOf(library: string): string {
  const { name, version } = JSON.parse(readFileSync(`${library}/package.json`, 'utf8')) as Record<string, string>;
  const file = readdirSync(library).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${library} has no licence`);
  return `--- ${name} ${version}\n\n${readFileSync(`${library}/${file}`, 'utf8')}`;
}
