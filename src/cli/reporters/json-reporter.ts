import type { Reporter } from './reporter.ts';

/** Every event as one JSON object a line. Stray bytes of names come as lone surrogates, `\udcXX`: nothing is lost. */
export const createJsonReporter = ({ write }: { readonly write: (text: string) => void }): Reporter => ({
  report: (event) => write(`${JSON.stringify(event)}\n`),
  end: () => undefined,
});
