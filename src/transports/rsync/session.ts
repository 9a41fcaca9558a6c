import { execa } from 'execa';
import { systemErrorCode, TransportError } from '../../errors.ts';
import { startMaster, type Master } from '../../ssh/program/master.ts';
import { showLogin } from '../../ssh/program/options.ts';
import type { TransportContext } from '../../transport.ts';
import {
  capabilitiesOf,
  isAtLeast,
  OLDEST,
  parseVersion,
  without,
  type Capabilities,
  type OptionalOption,
  type Version,
} from './capabilities.ts';
import { createDurableNames, type DurableNames } from './durable-names.ts';
import { makeFarms } from './staging-tree.ts';
import type { RsyncOptions } from './options.ts';
import { createRuns, type Runs } from './runs.ts';

/** What runs of rsync need of the connection they go through. */
export interface Session {
  readonly master: Master;
  readonly runs: Runs;
  readonly names: DurableNames;
  readonly options: RsyncOptions;
  readonly context: TransportContext;
  readonly label: string;
  /** Where its farms of links are made. */
  readonly farms: string;
  readonly version: Version;
  readonly capabilities: Capabilities;
  /** The other end does not know these: from now on without. */
  refuse(options: readonly OptionalOption[]): void;
  /** Our folder for what was cut off, in the folder of the file: `.isocket-OWNER.part`. */
  readonly partialFolder: string;
  close(): Promise<void>;
}

export const openSession = async (
  options: RsyncOptions,
  context: TransportContext,
  label: string,
  signal: AbortSignal,
): Promise<Session> => {
  const [version, master] = await Promise.all([
    localVersion(),
    startMaster(options, { stateFolder: context.stateFolder, where: showLogin(options) }, signal),
  ]);
  let capabilities = capabilitiesOf(version);
  if (context.durable && !capabilities.optional.has('fsync')) tellNotSynced(context, 'the rsync here');
  const farms = makeFarms(context.stateFolder);
  const names = createDurableNames(master, options.path, context);
  return {
    master,
    runs: createRuns(master),
    names,
    options,
    context,
    label,
    farms: farms.path,
    version,
    get capabilities() {
      return capabilities;
    },
    refuse: (refused) => {
      capabilities = without(capabilities, refused);
      if (context.durable && refused.includes('fsync')) tellNotSynced(context, 'the rsync at the destination');
      if (refused.includes('partial-dir'))
        context.log('info', 'the destination keeps no part of a file that was cut off');
    },
    partialFolder: `.isocket-${context.owner}.part`,
    close: async () => {
      names.close();
      await master[Symbol.asyncDispose]();
      farms[Symbol.dispose]();
    },
  };
};

const tellNotSynced = ({ log }: TransportContext, whose: string): void =>
  log(
    'warning',
    `${whose} is older than 3.2.4 and has no --fsync: files are confirmed before they are on stable storage`,
  );

/** @throws TransportError where there is no rsync here, or too old a one */
export const localVersion = async (): Promise<Version> => {
  const result = await execa('rsync', ['--version'], { reject: false, stdin: 'ignore' });
  const version = result.exitCode === 0 ? parseVersion(result.stdout) : undefined;
  if (version !== undefined && isAtLeast(version, OLDEST)) return version;
  const state =
    version === undefined
      ? systemErrorCode(result) === 'ENOENT'
        ? 'it is not there'
        : 'it does not tell its version'
      : `it is ${version.join('.')}`;
  throw new TransportError('auth', `Cannot use rsync here: ${state}`, {
    hint: `install rsync ${OLDEST.join('.')} or newer`,
  });
};
