import { execa } from 'execa';

/** Runs a program on a pseudo-terminal and types each answer when its question appears. Returns all that was on the screen. */
export const onTerminal = async (
  command: readonly string[],
  options: { readonly cwd: string; readonly home: string; readonly answers: readonly (readonly [string, string])[] },
): Promise<{ readonly exitCode: number | undefined; readonly screen: string }> => {
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = execa('script', ['--quiet', '--return', '--flush', '--command', `exec ${line}`, '/dev/null'], {
    cwd: options.cwd,
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin', HOME: options.home, TERM: 'dumb', SHELL: '/bin/sh' },
    reject: false,
    all: true,
    buffer: false,
  });
  let screen = '';
  let read = 0;
  let next = 0;
  child.all.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    for (;;) {
      const [question, answer] = options.answers[next] ?? [];
      if (question === undefined || answer === undefined) return;
      const at = screen.indexOf(question, read);
      if (at < 0) return;
      read = at + question.length;
      next += 1;
      child.stdin.write(`${answer}\n`);
    }
  });
  const { exitCode } = await child;
  if (next < options.answers.length)
    throw new Error(`never asked: ${options.answers[next]?.[0] ?? ''}\non the screen:\n${screen}`);
  return { exitCode, screen: screen.replaceAll('\r\n', '\n') };
};
