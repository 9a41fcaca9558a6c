import type { Reporter } from './reporter.ts';

/** Each event as one line of JSON. Bytes of a name that are not UTF-8 become lone surrogates, `\udcXX`: no byte is lost. */
export const createJsonReporter = ({ write }: { readonly write: (text: string) => void }): Reporter => ({
  report: (event) => write(`${JSON.stringify(event)}\n`),
  end: () => undefined,
});
