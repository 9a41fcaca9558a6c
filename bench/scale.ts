import { parseArgs } from 'node:util';
import { createRandom } from '../test/support/producers.ts';
import { simulate, type MaxStartups, type Outcome } from './scale/simulate.ts';

// Many sites and one collector after an outage, by simulation (docs/scale.md): the back-off is isocket's own, the rest was measured with
// `node bench/collector.ts`. The same seed gives the same figures.
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    login: { type: 'string', default: '55' },
    file: { type: 'string', default: '0.165' },
    files: { type: 'string', default: '1000' },
    cores: { type: 'string', default: '2' },
    outage: { type: 'string', default: '600' },
    most: { type: 'string', default: '60' },
  },
});

const LIMIT_MS = 2 * 3_600_000;
const STARTUPS: Readonly<Record<string, MaxStartups>> = {
  '10:30:100': { start: 10, percent: 30, full: 100 },
  '100:30:1000': { start: 100, percent: 30, full: 1000 },
  none: { start: Infinity, percent: 0, full: Infinity },
};

const run = (sites: number, isJittered: boolean, maxStartups: MaxStartups): Outcome => {
  const random = createRandom(Number(values.seed));
  return simulate({
    sites,
    collector: {
      cores: Number(values.cores),
      loginMs: Number(values.login),
      fileMs: Number(values.file),
      maxStartups,
    },
    outageMs: Number(values.outage) * 1000,
    filesWaiting: Number(values.files),
    retry: { firstMs: 1000, mostMs: Number(values.most) * 1000, hold: 5 },
    handshakeMs: 20_000,
    limitMs: LIMIT_MS,
    jitter: isJittered ? random.next : () => 1,
    random: random.next,
  });
};

const show = (ms: number): string => (ms === Infinity ? 'not in 2 h' : `${Math.round(ms / 1000)} s`);

const startedMs = performance.now();
console.log(
  `${values.files} files of each site after ${values.outage} s; ${values.cores} cores, ${values.login} ms a login, ${values.file} ms a file`,
);
console.log(
  '| sites | MaxStartups | jitter | attempts/s | logins/s | at once | refused | given up | logged in | caught up |',
);
console.log(`|${' --- |'.repeat(10)}`);
for (const sites of [10, 100, 1000, 10_000])
  for (const [name, maxStartups] of Object.entries(STARTUPS))
    for (const isJittered of [true, false]) {
      const outcome = run(sites, isJittered, maxStartups);
      const { attemptsInASecond, loginsInASecond, loggingInAtOnce, refused, givenUp } = outcome;
      const seconds = [outcome.loggedInMs, outcome.caughtUpMs].map(show);
      const cells = [sites, name, isJittered ? 'full' : 'none', attemptsInASecond, loginsInASecond, loggingInAtOnce];
      console.log(`| ${[...cells, refused, givenUp, ...seconds].join(' | ')} |`);
    }
console.log(`in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
