import { connect } from 'node:net';

const TIMEOUT_MS = 5_000;
/** Of the ssh agent's protocol (draft-miller-ssh-agent): "which keys have you", and the answer. */
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;

/** The public keys that the agent at this socket has. @throws where it does not answer */
export const agentKeys = async (socket: string): Promise<readonly Buffer[]> => {
  const agent = connect({ path: socket, timeout: TIMEOUT_MS });
  agent.once('timeout', () => agent.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
  try {
    agent.write(Buffer.from([0, 0, 0, 1, REQUEST_IDENTITIES]));
    let reply = Buffer.alloc(0);
    for await (const piece of agent as AsyncIterable<Buffer>) {
      reply = Buffer.concat([reply, piece]);
      if (reply.length >= 4 && reply.length >= 4 + reply.readUInt32BE(0)) return keysIn(reply.subarray(4));
    }
    throw new Error('it hung up');
  } finally {
    agent.destroy();
  }
};

/** Pure. Type, number of keys, and for each the key and a comment, each after its length. */
const keysIn = (answer: Buffer): readonly Buffer[] => {
  if (answer[0] !== IDENTITIES_ANSWER) throw new Error('it refuses to list its keys');
  const keys: Buffer[] = [];
  let at = 5;
  const next = (): Buffer => {
    const start = at + 4;
    at = start + answer.readUInt32BE(at);
    return answer.subarray(start, at);
  };
  for (let left = answer.readUInt32BE(1); left > 0; left -= 1) {
    keys.push(next());
    next();
  }
  return keys;
};
