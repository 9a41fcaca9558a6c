/** A request that gets a status of its own, beside those that follow from a system error. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** One of `Status`. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
