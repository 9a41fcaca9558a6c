import type { Name } from '../name.ts';
import { TransportError, type ProbeResult, type Transport } from '../transport.ts';
import { isProbeFile } from './overlap.ts';

/** A destination that answered, and the files of earlier probes in its folder. */
interface Answering {
  readonly transport: Transport;
  readonly earlier: ReadonlySet<Name>;
}

/** To be called before another destination is probed. What cannot list its folder is left out: it is not known what it is. */
export const earlierAt = async (
  transports: readonly Transport[],
  signal: AbortSignal,
): Promise<readonly Answering[]> => {
  const found = transports.map(async (transport) => ({ transport, earlier: await probeFilesAt(transport, signal) }));
  return (await Promise.all(found)).flatMap(({ transport, earlier }) => earlier ? [{ transport, earlier }] : []); // prettier-ignore
};

/**
 * Is the destination that is being probed the same folder as one of these, by another port, host name, account or transport? Called while the
 * file that its probe wrote exists: then it appears there too. undefined: not that one would know.
 */
export const samePlaceLine = async (
  others: readonly Answering[],
  signal: AbortSignal,
): Promise<ProbeResult | undefined> => {
  for (const { transport, earlier } of others) {
    const now = await probeFilesAt(transport, signal);
    if (now === undefined || [...now].every((path) => earlier.has(path))) continue;
    return {
      what: 'overlap',
      state: 'failure',
      message: `Cannot use this destination: a file written there appears at ${transport.label}: what counts as two copies would be one`,
      hint: 'remove one of the two, or correct its host, port or path',
    };
  }
  return undefined;
};

const probeFilesAt = async (transport: Transport, signal: AbortSignal): Promise<ReadonlySet<Name> | undefined> => {
  if (transport.listTree === undefined) return undefined;
  const found = new Set<Name>();
  const visit = ({ path }: { readonly path: Name }): void => {
    if (isProbeFile(path)) found.add(path);
  };
  try {
    await transport.listTree('', { deep: false, visit }, signal);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return undefined;
  }
  return found;
};
