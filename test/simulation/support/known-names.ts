/** The names that a site's record is bound to know, for each destination: those that its program marked or said were sent. */
export class KnownNames {
  /** By the site: "A DC1/a". */
  readonly #bySite = new Map<string, Set<string>>();

  note(site: string, path: string, destinations: readonly { readonly label: string }[]): void {
    for (const { label } of destinations) this.#of(site).add(`${label} ${path}`);
  }

  has(site: string, path: string, { label }: { readonly label: string }): boolean {
    return this.#of(site).has(`${label} ${path}`);
  }

  /** A directory was moved or removed: its record goes with the next pass that does not find it. */
  moved(directory: string): void {
    for (const names of this.#bySite.values())
      for (const name of names) if (name.slice(name.indexOf(' ') + 1).startsWith(`${directory}/`)) names.delete(name);
  }

  stateLost(site: string): void {
    this.#bySite.delete(site);
  }

  #of(site: string): Set<string> {
    const names = this.#bySite.get(site) ?? new Set();
    this.#bySite.set(site, names);
    return names;
  }
}
