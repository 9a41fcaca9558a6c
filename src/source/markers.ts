/** Written by the parser into a directory: no more files will come. */
export const FINISHED_PARSE = 'finished.parse';
/** Written by isocket into a directory: every file is at the destination. */
export const FINISHED_WATCH = 'finished.watch';
/** The name of `finished.watch` until it is whole. */
export const FINISHED_WATCH_TEMPORARY = '.isocket-finished.watch';
