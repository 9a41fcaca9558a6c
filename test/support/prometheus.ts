import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { ask } from './http-client.ts';
import { freePort, listening } from './ports.ts';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A Prometheus that scrapes one target every half second. */
export interface Prometheus extends AsyncDisposable {
  /** The series that a query gives now. @throws where it is no query */
  query(expr: string): Promise<readonly Sample[]>;
}

export const startPrometheus = async (folder: string, target: number): Promise<Prometheus> => {
  const port = await freePort();
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [{ job_name: 'isocket', static_configs: [{ targets: [`127.0.0.1:${target}`] }] }],
  };
  writeFileSync(`${folder}/prometheus.yml`, JSON.stringify(config));
  const child = spawn(
    '/usr/bin/prometheus',
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/prometheus`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit');
  await listening(port, () => (child.exitCode === null ? undefined : `prometheus ended: ${said}`));
  return {
    query: async (expr) => {
      const { text } = await ask(port, `/api/v1/query?query=${encodeURIComponent(expr)}`);
      const answer = JSON.parse(text) as {
        readonly error?: string;
        readonly data?: { readonly result: readonly Sample[] };
      };
      if (answer.data === undefined) throw new Error(`${expr}: ${answer.error}`);
      return answer.data.result;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
};
