import type { Config, HookCommand } from '../../config/config.ts';
import { TRUST_CURE } from '../../config/trusted-file.ts';
import { formatDuration } from '../../core/units.ts';
import type { ProbeResult } from '../../transport.ts';
import { hookEnvironment } from './hook-environment.ts';
import { testInput } from './messages.ts';
import { Ping } from './ping.ts';
import { runCommand } from './run-command.ts';

export interface TryOptions {
  readonly config: Config;
  readonly configPath: string;
  /** Why the commands of this configuration are not obeyed. */
  readonly distrusted: string | undefined;
  readonly signal: AbortSignal;
}

/** Gives one test alert to whoever `hooks.alert` and `hooks.ping` tell, and says what came back. Nothing of the site is touched. */
export async function* tryHooks(options: TryOptions): AsyncGenerator<ProbeResult> {
  const { alert, ping } = options.config.hooks;
  if (alert === null && ping === null)
    yield {
      what: 'hooks',
      state: 'failure',
      message: 'Nobody is told of anything: neither hooks.alert nor hooks.ping is set',
      hint: 'set one of them, or both: docs/being-told.md',
    };
  if (alert !== null) yield await tryAlert(alert, options);
  if (ping !== null) yield await tryPing(ping, options.signal);
}

const tryAlert = async (
  command: HookCommand,
  { config, configPath, distrusted, signal }: TryOptions,
): Promise<ProbeResult> => {
  const what = 'hooks.alert';
  if (distrusted !== undefined)
    return {
      what,
      state: 'failure',
      message: `Did not run it: others can change the configuration, ${distrusted}`,
      hint: TRUST_CURE,
    };
  const env = hookEnvironment(process.env, { hook: 'alert', site: config.site, config: configPath });
  const begunMs = performance.now();
  const input = testInput(config, new Date());
  const { failure, output } = await runCommand(command, { input, env, timeoutMs: config.hooks.timeoutMs, signal });
  const said = output === '' ? '' : `; it said: ${output.split('\n').at(-1)}`;
  if (failure === undefined) {
    const took = formatDuration(performance.now() - begunMs);
    return { what, state: 'ok', message: `it was given a test alert, and ended with exit code 0 after ${took}${said}` };
  }
  return {
    what,
    state: 'failure',
    message: `Cannot tell anybody: ${failure}${said}`,
    hint: 'correct the command; what a service may not do, and a way by mail, are in docs/being-told.md',
  };
};

const tryPing = async (url: string, signal: AbortSignal): Promise<ProbeResult> => {
  const what = 'hooks.ping';
  using ping = new Ping(url, () => undefined);
  using stack = new DisposableStack();
  const stop = (): void => ping[Symbol.dispose]();
  signal.addEventListener('abort', stop, { once: true });
  stack.defer(() => signal.removeEventListener('abort', stop));
  const why = await ping.attempt('fail');
  if (why !== undefined)
    return { what, state: 'failure', message: `Cannot ping ${ping.shown}: ${why}`, hint: 'correct hooks.ping' };
  const message = `${ping.shown} accepted a failure ping: it raises its own alarm now, which the next ping of a scan or of the daemon ends`;
  return { what, state: 'ok', message };
};
