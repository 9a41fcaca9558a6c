import fc from 'fast-check';
import { expect, it } from 'vitest';
import { plan, type DirectorySnapshot } from '../../../src/core/lifecycle.ts';
import { SiteDirectories } from '../../../src/core/site-directories.ts';

const snapshot = fc.record({
  name: fc.constantFrom('DC1', 'DC2', 'DC3', 'DC10', 'DC11'),
  birthNs: fc.constantFrom(0n, 1n, 2n, 3n, 4n, 5n),
  mtimeNs: fc.constantFrom(1n, 2n, 3n),
  finishedParse: fc.boolean(),
  finishedWatch: fc.boolean(),
  isThere: fc.boolean(),
});

it('knows after each change of one directory what a look at all of them shows', () => {
  fc.assert(
    fc.property(fc.constantFrom('birth', 'name', 'mtime'), fc.array(snapshot), (newestBy, changes) => {
      const known = new SiteDirectories(newestBy);
      const there = new Map<string, DirectorySnapshot>();
      for (const { isThere, ...one } of changes) {
        const now = isThere ? { ...one, dev: 1n, ino: 1n } : undefined;
        if (now === undefined) there.delete(one.name);
        else there.set(one.name, now);
        if (!known.set(one.name, now)) known.setAll([...there.values()]);
        const all = plan([...there.values()], newestBy);
        expect(known.plans()).toEqual(all.filter(({ phase }) => phase !== 'finished'));
        for (const { directory } of all) expect(known.has(directory.name)).toBe(true);
        expect(known.has(one.name)).toBe(isThere);
      }
    }),
  );
});
