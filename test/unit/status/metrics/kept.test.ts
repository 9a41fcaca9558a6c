import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../../../src/core/events.ts';
import { Textfile } from '../../../../src/status/metrics/textfile.ts';
import { Totals } from '../../../../src/status/metrics/totals.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-kept-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const sent = { type: 'sent', path: 'DC1/a', bytes: 7 } as const;

describe('what a site did in all', () => {
  it('goes on from one process to the next, and is written where it changed', () => {
    const first = new Totals(folder);
    first.save();
    expect(readdirSync(folder)).toEqual([]);
    first.note(sent);
    first.note({ type: 'failed', path: 'DC1/b', class: 'file', message: 'no', attempts: 1, held: false });
    first.note({ type: 'connection', destination: 'd', state: 'lost', class: 'auth', message: 'no', retrying: true });
    first.note({ type: 'connection', destination: 'd', state: 'restored' });
    first.noteSuccess(5000);
    first.save();
    const second = new Totals(folder);
    second.note(sent);
    expect([second.files, second.bytes, second.lastSuccessMs]).toEqual([2, 14, 5000]);
    expect(second.failures).toEqual({ network: 0, 'destination-full': 0, auth: 1, file: 1 });
    const { ino } = statSync(`${folder}/totals.json`);
    new Totals(folder).save();
    expect(statSync(`${folder}/totals.json`).ino).toBe(ino);
  });

  it.each(['', 'null', '[]', '{"files":-1,"bytes":"x","failures":7,"lastSuccessMs":"now"}'])(
    'begins anew with %j',
    (content) => {
      writeFileSync(`${folder}/totals.json`, content);
      const { files, bytes, failures, lastSuccessMs } = new Totals(folder);
      expect([files, bytes, failures.file, lastSuccessMs]).toEqual([0, 0, 0, null]);
    },
  );

  it('a state folder that is not there costs nothing but that', () => {
    const totals = new Totals(`${folder}/nowhere`);
    totals.note(sent);
    totals.save();
    expect(totals.files).toBe(1);
  });
});

describe('the textfile', () => {
  it('is replaced as a whole, not written through a link, and warned of once while it cannot be', () => {
    const warnings: string[] = [];
    const report = (event: IsocketEvent): void => {
      if (event.type === 'note') warnings.push(event.message);
    };
    writeFileSync(`${folder}/other`, 'untouched');
    symlinkSync(`${folder}/other`, `${folder}/x.prom`);
    const file = new Textfile(`${folder}/x.prom`, report);
    file.write('a 1\n');
    expect([readFileSync(`${folder}/x.prom`, 'utf8'), readFileSync(`${folder}/other`, 'utf8')]).toEqual([
      'a 1\n',
      'untouched',
    ]);
    expect(readdirSync(folder).toSorted()).toEqual(['other', 'x.prom']);
    const lost = new Textfile(`${folder}/nowhere/x.prom`, report);
    lost.write('a 1\n');
    lost.write('a 1\n');
    expect(warnings).toEqual([
      expect.stringMatching(/^Cannot write status\.textfile .*: no such file or directory; let the user/),
    ]);
    expect(existsSync(`${folder}/nowhere`)).toBe(false);
  });
});
