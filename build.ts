import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'rolldown';

// What ships is a few files where the sources and their libraries are three hundred: to find and read those took as long as to send a
// thousand files. ssh2 stays the package that it is: what guards the line can be brought up to date by itself.
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

/** @throws Error where the library has no licence: its terms want it told */
function licenceOf(library: string): string {
  const { name, version } = JSON.parse(readFileSync(`${library}/package.json`, 'utf8')) as Record<string, string>;
  const file = readdirSync(library).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${library} has no licence`);
  return `--- ${name} ${version}\n\n${readFileSync(`${library}/${file}`, 'utf8')}`;
}
