/** A file of this package, by its path below the package's folder: this module stands one folder below it, as source and as shipped. */
export const packageFile = (path: string): URL => new URL(`../${path}`, import.meta.url);
