import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { flagsOf } from '../../src/cli/manual/flags.ts';
import { CLI } from '../support/cli.ts';

const SHARE = `${dirname(CLI)}/share`;
const FILES = {
  bash: `${SHARE}/bash-completion/completions/isocket`,
  zsh: `${SHARE}/zsh/site-functions/_isocket`,
  fish: `${SHARE}/fish/vendor_completions.d/isocket.fish`,
} as const;

describe('man isocket', () => {
  const page = `${SHARE}/man/man1/isocket.1`;

  it('has every command and option, and no mistake', async () => {
    const { exitCode, stdout } = await execa('mandoc', ['-T', 'lint', '-W', 'error', page], { reject: false });
    expect(exitCode, stdout).toBe(0);
    const { stdout: text } = await execa('mandoc', ['-T', 'utf8', '-O', 'width=200', page]);
    const shown = text.replaceAll(/.[\b]/g, '');
    for (const { usage, options = [] } of COMMANDS) {
      expect(shown).toContain(`\n   ${usage}\n`);
      for (const option of options) expect(shown).toContain(`--${flagsOf(option).long}`);
    }
  });
});

/** What each shell makes of the last word. */
const completers: Readonly<Record<keyof typeof FILES, (words: readonly string[]) => Promise<string>>> = {
  bash: async (words) => {
    const script = `source ${FILES.bash}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _isocket; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await execa('bash', ['-c', script, 'bash', ...words])).stdout;
  },
  zsh: async (words) => {
    // A prompt that is not in what is typed to set it.
    const script = `
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "fpath=(${dirname(FILES.zsh)} \\$fpath); PS1=rea''dy; autoload -Uz compinit; compinit -D -u"
zpty -r z out '*ready*'
zpty -w -n z "$1"$'\\t'
zpty -r z out "*$1*[^ ] *"
print -r -- "$out"
zpty -d z`;
    const { stdout } = await execa('zsh', ['-f', '-c', script, 'zsh', words.join(' ')], { timeout: 20_000 });
    return stdout;
  },
  fish: async (words) => {
    const script = `source ${FILES.fish}; complete -C "$argv"`;
    return (await execa('fish', ['--no-config', '-c', script, '--', words.join(' ')])).stdout;
  },
};

describe.each(Object.entries(completers))('%s', (_shell, complete) => {
  it.each([
    ['a command', ['isocket', 'pru'], 'prune'],
    ['its option', ['isocket', 'prune', '--older'], '--older-than'],
    ['a command behind the value of an option', ['isocket', '--config', 'file', 'dem'], 'demo'],
  ])('completes %s', async (_what, words, wanted) => {
    expect(await complete(words)).toContain(wanted);
  });
});

it('names every command in each completion', () => {
  for (const path of Object.values(FILES)) {
    const text = readFileSync(path, 'utf8');
    for (const { usage } of COMMANDS) expect(text).toContain(usage.split(' ', 1)[0]);
  }
});
