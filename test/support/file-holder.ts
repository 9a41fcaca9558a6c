import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a process holds a file: mapped (shared or private, each writable and its descriptor closed) or open. */
export type Hold =
  | 'shared mapping'
  | 'private mapping'
  | 'open for writing'
  | 'open for reading'
  | 'shared mapping of a process without its first thread'
  | 'open for writing by a process without its first thread';

// By way of libc: Python's own mmap keeps a descriptor of the file open.
const SCRIPT = `
import ctypes, os, sys, threading, time
path, hold = sys.argv[1:]
hold, _, outlives = hold.partition(" of a process" if "mapping of" in hold else " by a process")
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
fd = os.open(path, os.O_RDONLY if hold == "open for reading" else os.O_RDWR)
size = os.fstat(fd).st_size
address = None
if hold.endswith("mapping"):
    address = libc.mmap(None, size, 3, 1 if hold == "shared mapping" else 2, fd, 0)
    assert address != ctypes.c_void_p(-1).value
    os.close(fd)
def obey():
    while outlives and ") Z " not in open(f"/proc/{os.getpid()}/stat").read(): time.sleep(0.001)
    print("ready", flush=True)
    for line in sys.stdin:
        data = line.rstrip("\\n").encode()
        if address is None: os.pwrite(fd, data, 0)
        else: ctypes.memmove(address, data, len(data))
        print("written", flush=True)
    if outlives: os._exit(0)
if outlives:
    threading.Thread(target=obey).start()
    libc.pthread_exit(None)
obey()
`;

export interface FileHolder extends AsyncDisposable {
  readonly pid: number | undefined;
  /** Writes over the beginning of the file. Resolves when it is done. */
  write(text: string): Promise<void>;
}

/** A process that holds an existing file, until it is disposed of. */
export const holdFile = async (path: string, hold: Hold): Promise<FileHolder> => {
  const child = spawn('python3', ['-c', SCRIPT, path, hold], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    write: async (text) => {
      child.stdin.write(`${text}\n`);
      await once(child.stdout, 'data');
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
    },
  };
};
