import { execa } from 'execa';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLoaders } from 'cosmiconfig';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { ask } from '../support/http-client.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

let folder: string;
let server: TestServer;
let textfile: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-metrics-'));
  server = await startOwnReceiver(folder);
  mkdirSync(`${folder}/textfiles`);
  textfile = `${folder}/textfiles/isocket.prom`;
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const siteOf = ({ more, ...options }: SiteOptions = {}): TestSite =>
  makeSite(folder, server, { ...options, more: { status: { textfile }, ...more } });
/** What promtool finds wrong with the text of metrics. */
const complaints = async (text: string): Promise<string> => {
  const { all } = await execa('promtool', ['check', 'metrics'], { input: text, reject: false, all: true });
  return all;
};
/** The value of a line, by all that stands before it. */
const valueOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
};
const written = (): string => readFileSync(textfile, 'utf8');
const isServing = ({ type }: IsocketEvent): boolean => type === 'listening';

interface Panel {
  readonly targets: readonly { readonly expr: string }[];
}
interface Rules {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

it('a daemon is scraped by a real Prometheus, and every query of the dashboard and the rules is answered', async () => {
  const port = await freePort();
  const site = siteOf({ more: { status: { listen: port, textfile } } });
  mkdirSync(`${site.root}/DC1`);
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  await using prometheus = await startPrometheus(folder, port);
  const value = async (expr: string): Promise<number> => Number((await prometheus.query(expr))[0]?.value[1]);
  await expect.poll(() => value('isocket_files_sent_total'), { timeout: 20_000 }).toBe(0);
  parser(site.root).writeFiles('DC1', 3);
  // What a listing finds before its close is heard goes once more.
  const SOON = { timeout: 20_000 };
  await expect.poll(() => value('isocket_files_sent_total{site="site"}'), SOON).toBeGreaterThanOrEqual(3);
  await expect.poll(() => value('isocket_bytes_sent_total / isocket_files_sent_total'), SOON).toBe(1000);
  await expect.poll(() => value('isocket_close_to_mark_seconds_count'), SOON).toBeGreaterThanOrEqual(3);
  expect(await value('isocket_destination_up')).toBe(1);
  expect(await value('isocket_directories{phase="open"}')).toBe(1);
  expect(Date.now() / 1000 - (await value('isocket_last_success_timestamp_seconds'))).toBeLessThan(60);

  const { panels } = JSON.parse(readFileSync(`${ROOT}/templates/grafana-dashboard.json`, 'utf8')) as {
    panels: readonly Panel[];
  };
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(queries.length).toBeGreaterThan(15);
  for (const expr of queries) {
    const found = await prometheus.query(expr.replaceAll('$site', '.*').replaceAll('$__rate_interval', '5m'));
    expect(found.length, expr).toBeGreaterThan(0);
  }
  const { groups } = defaultLoaders['.yaml']('', readFileSync(`${ROOT}/templates/alert-rules.yaml`, 'utf8')) as Rules;
  for (const { alert, expr } of groups.find(({ name }) => name === 'isocket')?.rules ?? []) {
    expect(await prometheus.query(expr), alert).toEqual([]);
    // Each metric that it names is there: a rule about nothing would never tell.
    for (const [metric] of expr.matchAll(/isocket_\w+/g))
      expect(await prometheus.query(metric), metric).not.toEqual([]);
  }

  const { text, headers } = await ask(port, '/metrics');
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await complaints(text)).toBe('');
  expect(text).toMatch(/^process_resident_memory_bytes\{site="site"\} \d+$/m);
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#')))
    expect(line).toMatch(/\{(?:.*,)?site="site"(?:,.*)?\} /);
  expect(await daemon.stop()).toBe(143);
  // What was counted goes on in the next process.
  await using again = site.start(['daemon']);
  await again.event(isServing);
  expect(valueOf((await ask(port, '/metrics')).text, 'isocket_files_sent_total{site="site"}')).toBeGreaterThanOrEqual(
    3,
  );
  await again.stop();
});

it('the rules are right, and tell when they must', async () => {
  await execa('promtool', ['check', 'rules', `${ROOT}/templates/alert-rules.yaml`]);
  await execa('promtool', ['test', 'rules', 'alert-rules.test.yaml'], { cwd: `${ROOT}/test/fixtures` });
});

describe('status.textfile', () => {
  it('is written by a scan, whole, and counts on over scans', async () => {
    const site = siteOf();
    parser(site.root).writeFiles('DC1', 2);
    parser(site.root).closeDirectory('DC1');
    expect((await site.scan()).exitCode).toBe(0);
    const first = statSync(textfile);
    expect([first.mode & 0o777, readdirSync(`${folder}/textfiles`)]).toEqual([0o644, ['isocket.prom']]);
    expect(await complaints(written())).toBe('');
    // The collector has metrics of its own process.
    expect(written()).not.toMatch(/^process_/m);
    parser(site.root).writeFiles('DC2', 3);
    expect((await site.scan()).exitCode).toBe(0);
    expect(statSync(textfile).ino).not.toBe(first.ino);
    const of = (series: string) => valueOf(written(), series);
    expect({
      sent: of('isocket_files_sent_total{site="site"}'),
      bytes: of('isocket_bytes_sent_total{site="site"}'),
      backlog: of('isocket_backlog_files{site="site"}'),
      oldest: of('isocket_oldest_unsent_seconds{site="site"}'),
      open: of('isocket_directories{phase="open",site="site"}'),
      finished: of('isocket_directories{phase="finished",site="site"}'),
      root: of('isocket_problems{kind="root",site="site"}'),
    }).toEqual({ sent: 5, bytes: 5000, backlog: 0, oldest: 0, open: 1, finished: 1, root: 0 });
    expect(written()).toMatch(/^isocket_destination_up\{destination=".*127\.0\.0\.1.*",site="site"\} 1$/m);
  });

  it('of a scan that fails has the last success as it was, and what is left', async () => {
    await using proxy = await startProxy(server.port);
    const site = siteOf({ destination: through(folder, server, proxy.port) });
    parser(site.root).writeFiles('DC1', 1);
    expect((await site.scan()).exitCode).toBe(0);
    const at = (): (number | undefined)[] =>
      ['success', 'run'].map((what) => valueOf(written(), `isocket_last_${what}_timestamp_seconds{site="site"}`));
    const [success, run = 0] = at();
    await proxy.refuse();
    parser(site.root).writeFiles('DC2', 4);
    expect((await site.scan()).exitCode).toBe(3);
    const [successAfter, runAfter] = at();
    expect([successAfter, (runAfter ?? 0) > run]).toEqual([success, true]);
    expect(valueOf(written(), 'isocket_backlog_files{site="site"}')).toBe(4);
    expect(valueOf(written(), 'isocket_backlog_bytes{site="site"}')).toBe(4000);
    expect(valueOf(written(), 'isocket_problems{kind="down",site="site"}')).toBe(1);
    expect(valueOf(written(), 'isocket_send_failures_total{class="network",site="site"}')).toBe(1);
    expect(written()).toMatch(/^isocket_destination_up\{.*\} 0$/m);
    // Nothing is known of a root that is away: no figure is better than an old one.
    rmSync(site.root, { recursive: true });
    expect((await site.scan()).exitCode).toBe(2);
    expect(valueOf(written(), 'isocket_problems{kind="root",site="site"}')).toBe(1);
    expect(valueOf(written(), 'isocket_backlog_files{site="site"}')).toBeUndefined();
    expect(at()[0]).toBe(success);
    expect(await complaints(written())).toBe('');
  });

  it('is the daemon’s while one works, and written by it too', async () => {
    const site = siteOf();
    parser(site.root).writeFiles('DC1', 2);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'sent');
    await expect.poll(() => readdirSync(`${folder}/textfiles`), { timeout: 30_000 }).toEqual(['isocket.prom']);
    const sent = (): number | undefined => valueOf(written(), 'isocket_files_sent_total{site="site"}');
    await expect.poll(sent, { timeout: 30_000 }).toBe(2);
    expect((await site.scan()).exitCode).toBe(4);
    expect(sent()).toBe(2); // A scan has sent none.
    expect(await complaints(written())).toBe('');
    await daemon.stop();
  });

  it('that cannot be written is a warning with the cure, and files are sent', async () => {
    rmSync(`${folder}/textfiles`, { recursive: true });
    const site = siteOf();
    parser(site.root).writeFiles('DC1', 1);
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`Cannot write status.textfile "${textfile}": no such file or directory; let the user`);
  });

  it('is not written of a configuration that another user could have written, nor into the root', async () => {
    const site = siteOf();
    parser(site.root).writeFiles('DC1', 1);
    chmodSync(site.config, 0o666);
    const { stderr } = await site.run(['--config', site.config, 'scan']);
    expect(stderr).toContain('Cannot obey status.textfile of configuration');
    expect(readdirSync(`${folder}/textfiles`)).toEqual([]);
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
    for (const [file, words] of [
      [`${site.root}/x.prom`, 'a file outside source.root'],
      ['/x.txt', 'ends with .prom'],
    ]) {
      writeFileSync(site.config, JSON.stringify({ ...config, status: { textfile: file } }), { mode: 0o600 });
      expect((await site.run(['--config', site.config, 'status'])).stderr).toContain(words);
    }
  });
});
