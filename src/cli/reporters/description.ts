/** `failure` and `warning` need attention, `result` is what the command was run for, `detail` is for `--verbose`. */
export type Severity = 'failure' | 'warning' | 'result' | 'detail';

export interface Description {
  readonly severity: Severity;
  readonly text: string;
}
