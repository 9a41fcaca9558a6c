/** Refuses a request with a given status; other errors get the status of their system error code. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** One of `Status`. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
