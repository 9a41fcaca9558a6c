import type { Receiver, ReceiverOptions } from '../../receiver/receiver.ts';
import { errorMessage } from '../../errors.ts';
import { inOneLine } from './config-since.ts';
import type { ReceiveOptions } from './receive-options.ts';

export interface ReloadOptions {
  /** With which it was started. */
  readonly options: ReceiveOptions;
  readonly receiver: Pick<Receiver, 'reload'>;
  /** Gives the options again. */
  readonly reread: () => Promise<ReceiveOptions>;
  readonly log: ReceiverOptions['log'];
}

/** At each SIGHUP, until it is disposed of: reads the keys and the limits again, and tells what came of it. */
export const reloadOnHangup = (reload: ReloadOptions): Disposable => {
  let limits = reload.options.limits ?? {};
  const onHangup = async (): Promise<void> => {
    const again = await readAgain(reload);
    // A configuration that is wrong now changes nothing, and keeps no key from being read again.
    if (typeof again !== 'string') limits = again.limits ?? limits;
    const hasKeys = reload.receiver.reload(limits);
    const restart = typeof again === 'string' ? [] : needRestart(reload.options, again);
    for (const { level, message } of reloadLines({
      hasKeys,
      limitsProblem: typeof again === 'string' ? again : undefined,
      restart,
    }))
      reload.log(level, message);
  };
  const listener = (): void => void onHangup();
  process.on('SIGHUP', listener);
  return { [Symbol.dispose]: () => void process.off('SIGHUP', listener) };
};

const readAgain = async ({ reread }: ReloadOptions): Promise<ReceiveOptions | string> => {
  try {
    return await reread();
  } catch (error) {
    return inOneLine(errorMessage(error));
  }
};

export interface Reloaded {
  /** Whether somebody gets in with the keys as they are now; why not is said by the receiver. */
  readonly hasKeys: boolean;
  /** Why the limits stay as they are. */
  readonly limitsProblem: string | undefined;
  /** Keys of the configuration. */
  readonly restart: readonly string[];
}

interface Line {
  readonly level: 'result' | 'warning';
  readonly message: string;
}

/** Pure. What is said of it: of what was refused nothing is said that sounds like success. */
export const reloadLines = ({ hasKeys, limitsProblem, restart }: Reloaded): readonly Line[] => {
  const read = [...(hasKeys ? ['the authorized keys'] : []), ...(limitsProblem === undefined ? ['the limits'] : [])];
  const lines: Line[] = [];
  if (read.length > 0) lines.push({ level: 'result', message: `read ${read.join(' and ')} again` });
  if (limitsProblem !== undefined)
    lines.push({ level: 'warning', message: `the limits stay as they are: ${limitsProblem}` });
  if (restart.length > 0)
    lines.push({
      level: 'warning',
      message: `${restart.join(', ')}: changed in the configuration, and not in use yet; restart isocket to use ${restart.length === 1 ? 'it' : 'them'}`,
    });
  return lines;
};

/** Pure. The keys of the section `receive` that are other ones now; what an option of the command line overrules is not. */
export const needRestart = (before: ReceiveOptions, now: ReceiveOptions): readonly string[] => {
  const [old, fresh] = [valuesOf(before), valuesOf(now)];
  return [...fresh].flatMap(([key, value]) => (old.get(key) === value ? [] : [`receive.${key}`]));
};

const valuesOf = (options: ReceiveOptions): ReadonlyMap<string, string> => {
  const { root, listen, authorizedKeys, hostKey, appendOnly, keepVersions, atomicPuts, allowRoot, status } = options;
  const values = {
    ...{ root, listen, authorizedKeys, hostKey: [hostKey ?? []].flat() },
    ...{ appendOnly: appendOnly === true, keepVersions: keepVersions === true, atomicPuts: atomicPuts === true },
    ...{ allowRoot: allowRoot === true },
    ...{ 'status.listen': status?.listen ?? null, 'status.textfile': status?.textfile ?? null },
  };
  return new Map(Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]));
};
