import type { Option } from '../command-table.ts';

/** The parts of an option's flags: `-0, --null`, `--host-key <file...>`. */
export interface Flags {
  readonly short: string | undefined;
  /** Without its dashes. */
  readonly long: string;
  /** What comes after it, as it is named: `file...`. */
  readonly value: string | undefined;
}

/** @throws Error for what is not written like that */
export const flagsOf = ([flags]: Option): Flags => {
  const { short, long, value } =
    /^(?:-(?<short>\w), )?--(?<long>[a-z-]+)(?: <(?<value>[^>]+)>)?$/.exec(flags)?.groups ?? {};
  if (long === undefined) throw new Error(`"${flags}" is no option`);
  return { short, long, value };
};

/** What names a file or a folder. */
export const isPath = ({ value }: Flags): boolean => /^(?:file|dir|folder)/.test(value ?? '');
