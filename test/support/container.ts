import { defaultLoaders } from 'cosmiconfig';
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { freePort } from './ports.ts';
import type { Userland } from './userland.ts';

// What templates/container says, done without a container engine: in a userland of its own.

const CONTAINER = new URL('../../templates/container', import.meta.url).pathname;
const PATIENCE = { timeout: 30_000 };

/** The commands of the Containerfile, in order, as one script, and whom it runs as. */
export const containerSteps = (values: Readonly<Record<string, string>>): { script: string; user: string } => {
  const lines = readFileSync(`${CONTAINER}/Containerfile`, 'utf8').replaceAll('\\\n', '').split('\n');
  const steps = lines.flatMap((line) => /^RUN (.*)$/.exec(line)?.[1] ?? []);
  const script = steps.join('\n').replaceAll(/\$\{(\w+)\}/g, (_all, name: string) => values[name] ?? '');
  return { script, user: lines.flatMap((line) => /^USER (.*)$/.exec(line)?.[1] ?? []).at(-1) ?? 'root' };
};

interface Compose {
  readonly services: Readonly<Record<'receiver' | 'source', { readonly command: readonly string[] }>>;
}

/** Runs both services as compose.yaml has them, but for their host and ports, after the steps that it begins with. */
export const sendThroughServices = async (userland: Userland, user: string): Promise<void> => {
  const { services } = defaultLoaders['.yaml']('', readFileSync(`${CONTAINER}/compose.yaml`, 'utf8')) as Compose;
  const [port, statusPort] = [await freePort(), await freePort()];
  const become = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  const contained = (...command: readonly string[]) =>
    userland.run(...become, 'env', '-C', '/etc/isocket', 'HOME=/var/lib/isocket', ...command);
  const ok = async (...command: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await contained(...command);
    expect(exitCode, `${command.join(' ')}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  const init = `isocket init --site ED1 --root /datas --host 127.0.0.1 --port ${port} --path / --make-key --yes`;
  const key = /ssh-ed25519 .*/.exec(await ok(...init.split(' ')))?.[0];
  await ok('sh', '-c', `echo '${key}' >>authorized_keys`);
  const receive = services.receiver.command.map((word) =>
    word.replace('0.0.0.0:2222', `127.0.0.1:${port}`).replace('9181', String(statusPort)),
  );
  const receiver = contained('isocket', ...receive);
  const check = async (): Promise<string> => (await contained('isocket', 'check')).stdout;
  await expect.poll(check, PATIENCE).toContain('compare the fingerprint');
  const trust = /then: (.*)/.exec(await check())?.[1] ?? 'false';
  await ok('sh', '-c', trust);
  await ok('isocket', 'check');
  const daemon = contained('isocket', ...services.source.command);
  await ok('sh', '-c', 'mkdir /datas/DC1 && echo content >/datas/DC1/file && touch /datas/DC1/finished.parse');
  await expect.poll(() => existsSync(userland.at('/datas/DC1/finished.watch')), PATIENCE).toBe(true);
  expect(readFileSync(userland.at('/backup/DC1/file'), 'utf8')).toBe('content\n');
  await ok('isocket', 'status', '--check');
  for (const service of [daemon, receiver]) service.kill('SIGTERM');
  expect((await daemon).exitCode).toBe(143);
  expect((await receiver).exitCode).toBe(143);
};
