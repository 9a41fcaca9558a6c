/**
 * What every transport must do, as tests: `isocket/transport-suite`.
 *
 * Needs a real destination whose files this machine can see. Nothing is mocked and nothing is skipped: a test that needs what the target
 * does not offer (a connection to cut, a disk to fill) is not registered.
 */
import { registerAbort } from './abort.ts';
import { registerCrowd } from './crowd.ts';
import { registerDispose } from './dispose.ts';
import { registerFailures } from './failures.ts';
import { registerFetch } from './fetch.ts';
import type { Lack } from './lacks.ts';
import { registerList } from './list.ts';
import { registerNames } from './names.ts';
import { registerProbe } from './probe.ts';
import type { RegisterTest } from './register.ts';
import { registerReplace } from './replace.ts';
import { registerResume } from './resume.ts';
import { createScope } from './scope.ts';
import { registerSizes } from './sizes.ts';
import { registerSourceChanged } from './source-changed.ts';
import type { SuiteTarget } from './target.ts';
import { registerUnderWay } from './under-way.ts';
import { registerVerify } from './verify.ts';

export type { Lack } from './lacks.ts';
export type { LoginFault, SuiteTarget } from './target.ts';

export interface TransportSuiteOptions {
  /** Registers one test: `test` of vitest, `test` of node:test. They must run one after the other. */
  readonly test: (name: string, run: () => Promise<void>) => void;
  /** Called in each test; returns the same target each time. */
  readonly target: () => SuiteTarget;
  /**
   * What the target can do to the connection and the destination, and `list` and `fetch` where the transport has them: tests that need it are registered
   * only where it is named.
   */
  readonly has: readonly ('connection' | 'resume' | 'login' | 'full' | 'read-only' | 'list' | 'fetch')[];
  /** What the destination cannot have, whatever the transport does. Default: nothing. */
  readonly lacks?: readonly Lack[];
  /** Also sends a file of more than 4 GiB. */
  readonly slow?: boolean;
}

/** Registers the tests. */
export const transportSuite = ({ test, target, has, lacks = [], slow = false }: TransportSuiteOptions): void => {
  const withScope: RegisterTest = (name, run) =>
    test(name, async () => {
      await using scope = createScope(target());
      await run(scope);
    });
  registerSizes(withScope, { slow, lacks });
  registerUnderWay(withScope);
  registerNames(withScope, lacks);
  registerReplace(withScope, lacks);
  registerCrowd(withScope);
  registerAbort(withScope);
  registerVerify(withScope, lacks);
  registerProbe(withScope, has, lacks);
  registerList(withScope, has);
  registerFetch(withScope, has, lacks);
  registerDispose(withScope);
  registerSourceChanged(withScope);
  registerFailures(withScope, has);
  if (has.includes('resume')) registerResume(withScope);
};
