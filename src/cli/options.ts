/** Options of every command; none has a default of its own: flag > environment > file > built-in default. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
}
