import type { Scope } from './scope.ts';

/** Registers a test that is given a scope of its own. */
export type RegisterTest = (name: string, run: (scope: Scope) => Promise<void>) => void;
