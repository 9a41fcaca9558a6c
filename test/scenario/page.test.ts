import axe, { type AxeResults } from 'axe-core';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { childrenOf } from '../support/children-of.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

let browser: Browser;
let folder: string;
let server: TestServer;
let port: number;
beforeAll(async () => {
  // The tests run as root, whom Chromium's own sandbox does not take.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
afterAll(() => browser.close());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-page-'));
  server = await startSshd(folder);
  port = await freePort();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const siteOf = (send: object = {}): TestSite =>
  makeSite(folder, server, {
    // What is sent twice, found by a listing and by its close, is counted twice until the next one.
    source: { rescan: '1s' },
    more: {
      site: 'ED1',
      status: { listen: `127.0.0.1:${port}` },
      send: { durable: false, retry: { first: '100ms' }, ...send },
    },
  });

const isServing = ({ type }: IsocketEvent): boolean => type === 'listening';

interface Opened {
  readonly page: Page;
  /** What the browser wrote into its console, and what was thrown. */
  readonly errors: readonly string[];
}

const open = async (options: BrowserContextOptions = {}, url = `http://127.0.0.1:${port}/`): Promise<Opened> => {
  const page = await (await browser.newContext(options)).newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, errors };
};

/** Connections whose server’s end, at this port, is not closed. */
const areOpenAt = (at: number): number => {
  const local = `:${at.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  return rows.filter((row) => {
    const [, from = '', , state = ''] = row.trim().split(/\s+/);
    return from.endsWith(local) && (state === '01' || state === '08'); // ESTABLISHED, CLOSE_WAIT
  }).length;
};

/** Their identifiers. */
const violations = async (page: Page): Promise<string[]> => {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate<AxeResults>('axe.run()');
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
};

const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();
const SOON = { timeout: 10_000 };

it('shows what the daemon does as it does it, in less than 100 kB, to everybody', async () => {
  const site = siteOf();
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  writeFiles('DC1', 30);
  closeDirectory('DC1');
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'finished');
  await daemon.event(isServing);
  const desk = await open();
  const { page } = desk;
  await expect.poll(() => textOf(page, '#sentence'), SOON).toBe('Everything that is complete is off-site');
  expect(await page.title()).toBe('ED1 – isocket');
  expect(await textOf(page, '#directories')).toMatch(/DC1\s+finished\s+30\/30\s+30/);
  writeFiles('DC2', 12);
  writeFile('DC2/<img src=x onerror=alert(1)>');
  await expect.poll(() => textOf(page, '#directories'), SOON).toMatch(/DC2\s+open\s+13\/13\s+13[\s\S]*DC1/);
  const sizes = await page.evaluate<number[]>(
    `performance.getEntriesByType('resource').map(({ decodedBodySize }) => decodedBodySize)`,
  );
  expect(sizes.length).toBeGreaterThanOrEqual(2);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(100_000);
  await page.keyboard.press('Tab');
  expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Skip to the directories');
  const phone = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
  await expect.poll(() => textOf(phone.page, '#directories'), SOON).toContain('DC2');
  const width = await phone.page.evaluate<number>('document.documentElement.scrollWidth');
  expect(width).toBeLessThanOrEqual(360);
  expect([await violations(page), await violations(phone.page)]).toEqual([[], []]);
  expect([desk.errors, phone.errors]).toEqual([[], []]);
});

it('shows within five seconds that a destination was killed, why files wait, and that the daemon is gone', async () => {
  const site = siteOf();
  const { writeFiles } = parser(site.root);
  writeFiles('DC1', 3);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'sent');
  await daemon.event(isServing);
  const { page } = await open();
  await expect.poll(() => textOf(page, '#destinations'), SOON).toContain('✓ reached');
  const listener = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
  for (const pid of [listener, ...(await childrenOf(listener, 'sshd'))]) process.kill(pid, 'SIGKILL');
  writeFiles('DC1', 5);
  await expect.poll(() => textOf(page, '#destinations'), { timeout: 5000 }).toMatch(/✕ down since .*\n?.*connect/);
  await expect.poll(() => textOf(page, '#problems'), SOON).toContain('127.0.0.1');
  expect(await page.locator('#state').getAttribute('data-state')).toBe('bad');
  expect(await violations(page)).toEqual([]);
  await daemon.stop('SIGKILL');
  await expect.poll(() => textOf(page, '#sentence'), SOON).toContain('isocket does not answer');
});

it('shows how far a big file is, and a rate while no file is done', async () => {
  const site = siteOf({ bandwidth: '8MiB/s' });
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  const { page } = await open();
  await expect.poll(() => textOf(page, '#sentence'), SOON).toContain('off-site');
  parser(site.root).writeFile('DC1/big', 64 * 1024 * 1024);
  await expect.poll(() => textOf(page, '#flight'), SOON).toMatch(/DC1\/big, [\d.]+ of 64 MiB/);
  await expect.poll(() => textOf(page, '#figures'), SOON).toMatch(/Rate, last minute\s+[\d.]+ MiB\/s/);
  await expect
    .poll(async () => (await site.run(['status'])).stdout, SOON)
    .toMatch(/in flight: 1, first DC1\/big, [\d.]+ of 64 MiB/);
});

it('says that what it shows is old where the daemon hangs, and shows it all the same where too many watch', async () => {
  const site = siteOf();
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  const page = await (await browser.newContext()).newPage();
  await page.clock.install();
  await page.goto(`http://127.0.0.1:${port}/`);
  await expect.poll(() => textOf(page, '#sentence'), SOON).toContain('off-site');
  process.kill(daemon.pid, 'SIGSTOP');
  await page.clock.fastForward(60_000);
  await expect.poll(() => textOf(page, '#sentence'), SOON).toContain('has said nothing for a while');
  process.kill(daemon.pid, 'SIGCONT');
  await expect.poll(() => textOf(page, '#sentence'), SOON).toContain('off-site');
  await page.context().close();
  await expect.poll(() => areOpenAt(port), SOON).toBe(0);
  using readers = new DisposableStack();
  for (let reader = 0; reader < 24; reader += 1) {
    const request = get({ port, host: '127.0.0.1', path: '/events', agent: false });
    request.on('error', () => undefined);
    readers.defer(() => request.destroy());
    await once(request, 'response');
  }
  const one = await open();
  await expect.poll(() => textOf(one.page, '#line'), SOON).toContain('Too many watch');
  expect(await textOf(one.page, '#sentence')).toContain('off-site');
});

it('works below a path of a server before it, and says commands as this site needs them', async () => {
  const site = siteOf();
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 1);
  closeDirectory('DC1');
  await using daemon = site.start(['daemon', '--config', site.config]);
  await daemon.event(({ type }) => type === 'finished');
  await daemon.event(isServing);
  const before = createServer(({ url = '' }, answer) => {
    if (!url.startsWith('/isocket/')) return void answer.writeHead(404).end();
    const path = url.slice('/isocket'.length);
    get({ host: '127.0.0.1', port, path, headers: { host: 'localhost' } }, (found) => {
      answer.writeHead(found.statusCode ?? 0, found.headers);
      found.pipe(answer);
    });
  }).listen(0, '127.0.0.1');
  await once(before, 'listening');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    before.close();
    before.closeAllConnections();
  });
  const at = (before.address() as AddressInfo).port;
  const { page, errors } = await open({}, `http://127.0.0.1:${at}/isocket/`);
  await expect.poll(() => textOf(page, '#destinations'), SOON).toContain('✓ reached');
  const links = await page.evaluate<string[]>('[...document.querySelectorAll("a:not(.skip)")].map(({ href }) => href)');
  expect(links).not.toEqual([]);
  for (const link of links) expect(link).toContain(`:${at}/isocket/`);
  writeFiles('DC1', 2);
  await expect.poll(() => textOf(page, '#directories'), SOON).toContain(`isocket --config ${site.config} reset DC1`);
  expect(errors).toEqual([]);
  await page.context().close();
});
