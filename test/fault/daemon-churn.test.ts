import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { askActivity } from '../../src/instance/ask.ts';
import { misbehave, startFaultyProxy } from '../support/faulty-proxy.ts';
import { rounds, reportRow } from '../support/invariant.ts';
import { isFinished, parser } from '../support/parser.ts';
import { churn, createRandom } from '../support/producers.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';
import { differences, unmarked } from '../support/trees.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const OPERATIONS = Number(process.env.OPERATIONS ?? rounds(2000, 10_000));
const OPERATIONS_A_DIRECTORY = 250;
/** With stalls that outlast the silence which a transport takes for the end of a line. */
const IS_FULL = OPERATIONS >= 10_000;

it(
  `the daemon loses nothing: producers of every habit, a line that is cut, stalls and refuses (SEED=${SEED})`,
  { timeout: 120_000 + OPERATIONS * 120 },
  async () => {
    const random = createRandom(SEED);
    const seed = (): number => random.below(2 ** 31);
    const folder = mkdtempSync(join(tmpdir(), 'isocket-daemon-churn-'));
    try {
      await using server = await startSshd(folder, { config: ['MaxStartups 100'] });
      await using proxy = await startFaultyProxy(server.port);
      const site = makeSite(folder, server, {
        source: { settle: '200ms', superseded: '5s', rescan: '5s' },
        destination: through(folder, server, proxy.port),
        more: { send: { durable: false, retry: { first: '20ms', most: '200ms' } } },
      });
      await using daemon = site.start(['daemon']);
      await daemon.event(({ type }) => type === 'watching');

      const { closeDirectory } = parser(site.root);
      const calm = new AbortController();
      const misbehaving = misbehave(proxy, createRandom(seed()), { longStalls: IS_FULL, signal: calm.signal });
      let made = 0;
      const produce = async (name: string, isClosed: boolean): Promise<void> => {
        made += await churn(`${site.root}/${name}`, createRandom(seed()), OPERATIONS_A_DIRECTORY);
        if (isClosed) closeDirectory(name);
      };
      // A parser that now and then begins a directory before it is through with the one before; the last one it closes.
      const directories = Math.ceil(OPERATIONS / OPERATIONS_A_DIRECTORY);
      let before: Promise<void> | undefined;
      for (let round = 1; round <= directories; round += 1) {
        const producing = produce(`DC${round}`, round === directories || random.below(2) === 0);
        await before;
        if (random.below(3) === 0 && round < directories) before = producing;
        else {
          before = undefined;
          await producing;
        }
      }
      calm.abort();
      const faults = await misbehaving;

      const names = readdirSync(site.root);
      for (const name of names) await daemon.event((event) => event.type === 'finished' && event.directory === name);
      const activity = await askActivity(site);
      expect(await daemon.stop()).toBe(143);

      // A file that was removed after it had been sent stays at the destination: nothing is ever removed there.
      const lost = names
        .flatMap((name) => differences(`${site.root}/${name}`, `${server.folder}/${name}`, { except: ['.temporary'] }))
        .filter((difference) => !difference.startsWith('only at the destination') || difference.endsWith('.part'));
      const notMarked = names.flatMap((name) => unmarked(`${site.root}/${name}`));
      reportRow(
        `a sick line between the daemon and producers of every habit (SEED=${SEED})`,
        {
          directories: names.length,
          'files made': made,
          ...faults,
          'events lost': activity?.eventsLost ?? 0,
          'found by a listing': activity?.foundByRescan ?? 0,
        },
        { lost: lost.length, 'not marked': notMarked.length },
      );
      expect(lost).toEqual([]);
      expect(notMarked).toEqual([]);
      expect(names.filter((name) => !isFinished(site.root, name))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
