/** The element of the page with this identifier. @throws Error where there is none: the page and its script are one build */
export const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};

/** Touched only where it changes: a selection and a screen reader stay where they are. */
export const setText = (node: Element, text: string): void => {
  if (node.textContent !== text) node.textContent = text;
};

/** What a cell shows. `share`: a bar, from 0 to 1, with the text beside it. */
export type Cell = string | { readonly text: string; readonly kind?: 'bad' | 'ok' | 'number'; readonly share?: number };

export interface Row {
  readonly key: string;
  readonly cells: readonly Cell[];
}

/** Makes the body of a table show these rows in this order; a row with a key that is there is changed in place. */
export const showRows = (body: HTMLElement, rows: readonly Row[]): void => {
  const labels = [...(body.closest('table')?.querySelectorAll('th') ?? [])].map((head) => head.textContent);
  const known = new Map([...body.querySelectorAll('tr')].map((row) => [row.dataset.key ?? '', row]));
  const wanted = new Set(rows.map(({ key }) => key));
  for (const [key, row] of known) if (!wanted.has(key)) row.remove();
  for (const [index, { key, cells }] of rows.entries()) {
    const row = known.get(key) ?? document.createElement('tr');
    row.dataset.key = key;
    row.setAttribute('role', 'row');
    for (const [at, cell] of cells.entries()) showCell(row.cells[at] ?? addCell(row, labels[at] ?? ''), cell);
    const there = body.children[index];
    if (there !== row) body.insertBefore(row, there ?? null);
  }
};

/** On a phone, where a row is a card, the style sheet shows the label, and with it takes away that a cell is one. */
const addCell = (row: HTMLTableRowElement, label: string): HTMLTableCellElement => {
  const cell = row.insertCell();
  cell.dataset.label = label;
  cell.setAttribute('role', 'cell');
  return cell;
};

const showCell = (node: HTMLTableCellElement, cell: Cell): void => {
  const { text, kind, share } = typeof cell === 'string' ? { text: cell, kind: undefined, share: undefined } : cell;
  if (node.className !== (kind ?? '')) node.className = kind ?? '';
  if (share === undefined) {
    setText(node, text);
    return;
  }
  let bar = node.querySelector('progress');
  let words = node.querySelector('span');
  if (bar === null || words === null) {
    [bar, words] = [document.createElement('progress'), document.createElement('span')];
    words.className = 'share';
    bar.setAttribute('aria-label', 'sent');
    node.replaceChildren(bar, words);
  }
  if (bar.value !== share) bar.value = share;
  setText(words, text);
};

/** Makes a list show these sentences. */
export const showList = (list: HTMLElement, sentences: readonly string[]): void => {
  while (list.children.length > sentences.length) list.lastElementChild?.remove();
  for (const [index, sentence] of sentences.entries()) {
    const item = list.children[index] ?? list.appendChild(document.createElement('li'));
    setText(item, sentence);
  }
};

/** Makes a description list show these terms, each in a block of its own. */
export const showFigures = (list: HTMLElement, figures: readonly (readonly [term: string, value: string])[]): void => {
  for (const [index, [term, value]] of figures.entries()) {
    let block = list.children[index];
    if (block === undefined) {
      block = list.appendChild(document.createElement('div'));
      block.append(document.createElement('dt'), document.createElement('dd'));
    }
    const [name, figure] = block.children;
    if (name !== undefined) setText(name, term);
    if (figure !== undefined) setText(figure, value);
  }
};
