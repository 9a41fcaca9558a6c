/** Exit code after an orderly end by that signal: contract.md §5. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface Shutdown extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM: nothing new starts, small files in flight complete, big ones stop where the next run goes on. */
  readonly signal: AbortSignal;
  /** undefined before a signal. */
  readonly signalName: NodeJS.Signals | undefined;
  /** 130 or 143 after a signal, undefined before. */
  readonly exitCode: number | undefined;
}

/**
 * Listens for SIGINT and SIGTERM. A second signal ends the process at once.
 * @param onSecond is called before that
 */
export const listenForShutdown = (onSecond?: () => void): Shutdown => {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let name: NodeJS.Signals | undefined;
  const onSignal = (heard: NodeJS.Signals): void => {
    const code = heard === 'SIGINT' ? EXIT_CODES.SIGINT : EXIT_CODES.SIGTERM;
    if (exitCode !== undefined) {
      onSecond?.();
      process.exit(code);
    }
    exitCode = code;
    name = heard;
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    get signalName() {
      return name;
    },
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
};
