/** A file that was to be sent, and of which rsync says nothing, though it ended well. */
export const LEFT_OUT = 'rsync left it out and ended without an error';

export const NO_LEAVING_OUT =
  'an option that the server adds to rsync does that, such as --ignore-existing (rrsync -no-overwrite) or --max-size: take it out of the command of this key there';
