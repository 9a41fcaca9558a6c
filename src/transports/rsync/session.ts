import { execa } from 'execa';
import { CHILD_OPTIONS } from '../../host/child-options.ts';
import { systemErrorCode, TransportError } from '../../errors.ts';
import type { Name } from '../../name.ts';
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
import type { RunTarget } from './arguments.ts';
import { createDurableNames, type DurableNames } from './durable-names.ts';
import { makeStagingFolder, type StagingTree } from './staging-tree.ts';
import type { RsyncOptions } from './options.ts';
import { createRuns, type Runs } from './runs.ts';

/** A live connection, and what runs of rsync through it need. */
export interface Session {
  readonly master: Master;
  readonly runs: Runs;
  readonly names: DurableNames;
  readonly options: RsyncOptions;
  readonly context: TransportContext;
  readonly label: string;
  /** Where staging trees are made. */
  readonly stagingFolder: string;
  readonly version: Version;
  readonly capabilities: Capabilities;
  /** How many bytes went of the biggest file of each run with big ones, by its path. */
  readonly underWay: Map<Name, number>;
  readonly closed: boolean;
  /** For a run that reads this staging tree, or writes into it. */
  target(tree: Pick<StagingTree, 'path'>): RunTarget;
  /** Stops using options that the remote end refused. */
  refuse(options: readonly OptionalOption[]): void;
  /** Name of the folder for partial files, in each file's folder: `.isocket-OWNER.part`. */
  readonly partialFolder: string;
  close(): Promise<void>;
}

export const openSession = async (
  options: RsyncOptions,
  context: TransportContext,
  label: string,
  signal: AbortSignal,
): Promise<Session> => {
  const connect = (): Promise<Master> =>
    startMaster(options, { stateFolder: context.stateFolder, where: showLogin(options) }, signal);
  const [version, master] = await Promise.all([localVersion(), connect()]);
  let capabilities = capabilitiesOf(version);
  if (context.durable && !capabilities.optional.has('fsync')) warnNotSynced(context, 'the local rsync');
  const staging = makeStagingFolder(context.stateFolder);
  const makeWay = (): Promise<boolean> => names.giveWay();
  const runs = createRuns(master, undefined, { connect, makeWay });
  const names = createDurableNames(master, options.path, context, { exclusive: runs });
  return {
    master,
    runs,
    names,
    options,
    context,
    label,
    stagingFolder: staging.path,
    version,
    underWay: new Map(),
    get capabilities() {
      return capabilities;
    },
    get closed() {
      return master.closed;
    },
    target: (tree) => ({ socket: master.socket, tree: tree.path, path: options.path, capabilities }),
    refuse: (refused) => {
      capabilities = without(capabilities, refused);
      if (context.durable && refused.includes('fsync')) warnNotSynced(context, 'the rsync at the destination');
      if (refused.includes('perms')) context.log('warning', NO_PERMISSIONS);
      if (refused.includes('partial-dir'))
        context.log('info', 'the destination keeps no partial files: an interrupted file is sent from its start');
    },
    partialFolder: `.isocket-${context.owner}.part`,
    close: async () => {
      names.close();
      await master[Symbol.asyncDispose]();
      staging[Symbol.dispose]();
    },
  };
};

const NO_PERMISSIONS =
  'permissions cannot be set at the destination, as on a file system that has none: files have there what it gives them';

const warnNotSynced = ({ log }: TransportContext, which: string): void =>
  log(
    'warning',
    `${which} is older than 3.2.4 and has no --fsync: files are confirmed before they are on stable storage`,
  );

/** @throws TransportError `auth` where rsync is not installed here, or older than `OLDEST` */
export const localVersion = async (): Promise<Version> => {
  const result = await execa('rsync', ['--version'], { ...CHILD_OPTIONS, reject: false, stdin: 'ignore' });
  const version = result.exitCode === 0 ? parseVersion(result.stdout) : undefined;
  if (version !== undefined && isAtLeast(version, OLDEST)) return version;
  const state =
    version === undefined
      ? systemErrorCode(result) === 'ENOENT'
        ? 'it is not installed'
        : 'its version cannot be read'
      : `it is ${version.join('.')}`;
  throw new TransportError('auth', `Cannot use rsync: ${state}`, {
    hint: `install rsync ${OLDEST.join('.')} or newer on this host`,
  });
};
