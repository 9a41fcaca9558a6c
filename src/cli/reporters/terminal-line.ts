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

/**
 * The last line of a terminal, redrawn in place and cut to the terminal's width. Writes nothing before the first `update`. Neither its
 * timer nor its listener keeps the process running.
 */
export class TerminalLine {
  readonly #terminal: Terminal;
  readonly #render: (columns: number) => string;
  #isOpen = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param render the line for so many columns: printable characters, each one column wide */
  constructor(terminal: Terminal, render: (columns: number) => string) {
    this.#terminal = terminal;
    this.#render = render;
  }

  /** Redraws the line soon: called for each file, so at most every 100 ms. */
  update(): void {
    if (this.#isOpen) {
      this.#timer ??= setTimeout(() => this.#redraw(), REDRAW_MS).unref();
      return;
    }
    this.#isOpen = true;
    // process.exit() at a second signal must not leave the line behind.
    process.once('exit', this.close);
    this.#redraw();
  }

  /** Prints text that ends with a newline above the line. */
  print(text: string): void {
    this.#terminal.write(this.#isOpen ? ERASE_LINE + text + this.#text() : text);
  }

  /** Erases the line; an `update` opens it again. */
  readonly close = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.close);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#terminal.write(ERASE_LINE);
  };

  #redraw(): void {
    this.#timer = undefined;
    this.#terminal.write(ERASE_LINE + this.#text());
  }

  #text(): string {
    const { columns } = this.#terminal;
    // The last column stays empty: a character there makes some terminals wrap.
    const width = (columns > 0 ? columns : USUAL_COLUMNS) - 1;
    return this.#render(width).slice(0, width);
  }
}
