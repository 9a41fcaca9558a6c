/** A figure for each of the last so many steps of time. Times are milliseconds of a clock that does not go back. */
export class StepRing {
  readonly stepMs: number;
  readonly #figures: Float64Array;
  readonly #empty: number;
  /** The step that runs: so many have gone by. */
  #step: number;

  /** @param empty the figure of a step in which nothing was told */
  constructor(stepMs: number, steps: number, nowMs: number, empty = 0) {
    this.stepMs = stepMs;
    this.#empty = empty;
    // One more for the step that runs.
    this.#figures = new Float64Array(steps + 1).fill(empty);
    this.#step = Math.floor(nowMs / stepMs);
  }

  add(amount: number, nowMs: number): void {
    this.set(this.#now(nowMs) + amount, nowMs);
  }

  set(figure: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#figures[this.#index(this.#step)] = figure;
  }

  /** Of the steps that are over, oldest first. */
  past(nowMs: number): number[] {
    this.#advance(nowMs);
    const steps = this.#figures.length - 1;
    return Array.from({ length: steps }, (_none, index) => this.#at(this.#step - steps + index));
  }

  /** The sum of all, with that of the step that runs. */
  total(nowMs: number): number {
    this.#advance(nowMs);
    return this.#figures.reduce((sum, figure) => sum + figure, 0);
  }

  #now(nowMs: number): number {
    this.#advance(nowMs);
    return this.#at(this.#step);
  }

  #advance(nowMs: number): void {
    const step = Math.floor(nowMs / this.stepMs);
    const gone = Math.min(step - this.#step, this.#figures.length);
    for (let back = 0; back < gone; back += 1) this.#figures[this.#index(step - back)] = this.#empty;
    this.#step = Math.max(this.#step, step);
  }

  #index(step: number): number {
    const { length } = this.#figures;
    return ((step % length) + length) % length;
  }

  #at(step: number): number {
    return this.#figures[this.#index(step)] ?? this.#empty;
  }
}
