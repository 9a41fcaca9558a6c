import { expect, it } from 'vitest';
import { refuseTakenByNpm } from '../../../src/cli/taken-by-npm.ts';

const refusal = (args: readonly string[], env: Record<string, string>): string => {
  try {
    refuseTakenByNpm(args, env);
    return '';
  } catch (error) {
    return `${(error as Error).message}; ${(error as { hint?: string }).hint}`;
  }
};

it.each([
  ['dry-run', ['scan'], { npm_lifecycle_event: 'isocket', npm_config_dry_run: 'true' }],
  ['repair', ['verify', 'DC1'], { npm_lifecycle_event: 'isocket', npm_config_repair: 'true' }],
] as const)('npm took --%s', (flag, args, env) => {
  expect(refusal(args, env)).toBe(
    `Cannot tell whether --${flag} is for isocket: npm took it; give npm "--" before what is isocket’s: npm run isocket -- ${args.join(' ')} --${flag}`,
  );
});

it.each([
  ['with --', ['scan', '--dry-run'], { npm_lifecycle_event: 'isocket', npm_config_dry_run: 'true' }],
  ['another script', ['scan'], { npm_lifecycle_event: 'test', npm_config_dry_run: 'true' }],
  ['without npm', ['scan'], { npm_config_dry_run: 'true' }],
  ['nothing taken', ['scan'], { npm_lifecycle_event: 'isocket' }],
] as const)('%s', (_title, args, env) => {
  expect(refusal(args, env)).toBe('');
});
