import type { Scope } from './scope.ts';

/** Registers a test that runs with its own scope. */
export type RegisterTest = (name: string, run: (scope: Scope) => Promise<void>) => void;
