/** So begins what our receiver says to a client that it refuses: on stderr of a session, or as the reason of a disconnect. */
export const RECEIVER_SAYS = 'isocket receive: ';

export interface ReceiverRefusal {
  readonly state: string;
  readonly hint: string;
}

/** The error of a channel that was closed, with what a receiver of ours has said about it on stderr. */
export const withRefusal = (error: unknown, stderr: string): unknown => {
  const refusal = refusalIn(stderr);
  return refusal === undefined
    ? error
    : new Error(`${RECEIVER_SAYS}${refusal.state}; ${refusal.hint}`, { cause: error });
};

const AT_THE_RECEIVER = 'see the log of isocket receive there';

/** Pure. What a receiver of ours has said, "STATE; CURE", in a text that may have more around it; undefined: nothing. */
export const refusalIn = (text: string): ReceiverRefusal | undefined => {
  const said = new RegExp(`${RECEIVER_SAYS}([^\\r\\n]+)`).exec(text)?.[1];
  if (said === undefined) return undefined;
  const end = said.indexOf('; ');
  if (end === -1) return { state: said, hint: AT_THE_RECEIVER };
  return { state: said.slice(0, end), hint: said.slice(end + 2) };
};
