import { execa } from 'execa';
import { createInterface } from 'node:readline';

// Stands in for systemd: a datagram socket that prints each message as one line of JSON.
const LISTENER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("up", flush=True)
while True: print(json.dumps(s.recv(65536).decode().strip().split("\\n")), flush=True)`;

/** Receives what a service reports to its manager. */
export const startNotifyListener = async (folder: string) => {
  const path = `${folder}/notify`;
  const child = execa('python3', ['-c', LISTENER, path], { buffer: false, reject: false });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const next = async (): Promise<string[]> => {
    for (;;) {
      const { value } = (await lines.next()) as { value: string };
      const words = JSON.parse(value) as string[];
      if (!words.includes('BARRIER=1')) return words;
    }
  };
  return {
    path,
    next,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child;
    },
  };
};
