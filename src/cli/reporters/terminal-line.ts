import { wrapLines } from './wrap-lines.ts';

/** The part of a terminal's stream that is used here. */
export interface Terminal {
  write(text: string): boolean;
  readonly columns: number;
}

const ERASE_LINE = '\r\u001b[K';
const REDRAW_MS = 100;
/** Where a terminal does not know its width. */
const USUAL_COLUMNS = 80;

/** Whether a line on this stream can be redrawn. A terminal without TERM, or with TERM=dumb, would show the escape sequences. */
export const canRedraw = ({ isTTY }: { readonly isTTY?: boolean }, term: string | undefined): boolean =>
  isTTY === true && term !== undefined && term !== '' && term !== 'dumb';

/** https://no-color.org: a variable that is set and not empty. */
export const showsColours = (stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean =>
  canRedraw(stream, env.TERM) && (env.NO_COLOR ?? '') === '';

/**
 * The last line of a terminal, redrawn in place and cut to the terminal's width. Writes nothing before the first `update`. Neither its
 * timer nor its listener keeps the process running.
 */
export class TerminalLine {
  readonly #terminal: Terminal;
  readonly #render: (columns: number) => string;
  readonly #everyMs: number;
  #isOpen = false;
  #isSoon = false;
  #drawn = '';
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param render the line for so many columns: printable characters, each one column wide
   * @param everyMs it is rendered at least so often while it is there
   */
  constructor(terminal: Terminal, render: (columns: number) => string, everyMs: number) {
    this.#terminal = terminal;
    this.#render = render;
    this.#everyMs = everyMs;
  }

  /** Redraws the line soon: called for each file, so at most every 100 ms. */
  update(): void {
    if (this.#isOpen) {
      if (!this.#isSoon) this.#redrawIn(REDRAW_MS);
      this.#isSoon = true;
      return;
    }
    this.#isOpen = true;
    // process.exit() at a second signal must not leave the line behind.
    process.once('exit', this.close);
    this.#redraw();
  }

  /** Prints text that ends with a newline above the line. */
  print(text: string): void {
    const wrapped = wrapLines(text, this.#columns);
    this.#terminal.write(this.#isOpen ? ERASE_LINE + wrapped + this.#drawn : wrapped);
  }

  /** Lets somebody else write to the terminal: the line comes back a moment later, for who reads a pipe may write there after us. */
  beside(write: () => void): void {
    if (this.#isOpen && this.#drawn !== '') {
      this.#terminal.write(ERASE_LINE);
      this.#drawn = '';
      this.#redrawIn(REDRAW_MS);
    }
    write();
  }

  /** Erases the line; an `update` opens it again. */
  readonly close = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.close);
    clearTimeout(this.#timer);
    this.#drawn = '';
    this.#terminal.write(ERASE_LINE);
  };

  #redrawIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#redraw(), ms).unref();
  }

  #redraw(): void {
    this.#isSoon = false;
    this.#redrawIn(this.#everyMs);
    // The last column stays empty: a character there makes some terminals wrap.
    const width = this.#columns - 1;
    const text = this.#render(width).slice(0, width);
    if (text === this.#drawn) return;
    this.#drawn = text;
    this.#terminal.write(ERASE_LINE + text);
  }

  get #columns(): number {
    const { columns } = this.#terminal;
    return columns > 0 ? columns : USUAL_COLUMNS;
  }
}
