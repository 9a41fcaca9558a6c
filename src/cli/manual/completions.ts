import { COMMANDS, COMMON_OPTIONS, type Option } from '../command-table.ts';
import { flagsOf, isPath } from './flags.ts';

const NAMES = COMMANDS.map(({ usage }) => usage.split(' ', 1)[0] ?? '');
const WITH_HELP: readonly Option[] = [...COMMON_OPTIONS, ['--help', 'what a command takes']];

/** Of all commands together: a word behind one of these is its value, not the command. */
const LONG_WITH_VALUE = new Set(
  [...COMMON_OPTIONS, ...COMMANDS.flatMap(({ options = [] }) => options)]
    .map(flagsOf)
    .flatMap(({ long, value }) => (value === undefined ? [] : [`--${long}`])),
);

const words = (options: readonly Option[]): string => options.map((option) => `--${flagsOf(option).long}`).join(' ');

/** For bash-completion, and for a `source` in ~/.bashrc. */
export const bashCompletion = (): string => `# bash completion of isocket
_isocket() {
  local word=\${COMP_WORDS[COMP_CWORD]} command= words index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${[...LONG_WITH_VALUE].join(' | ')}) ((index++)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[index]}; break ;;
    esac
  done
  case $command in
${COMMANDS.map(({ options = [] }, at) => `    ${NAMES[at]}) words='${words([...options, ...WITH_HELP])}' ;;`).join('\n')}
    '') words='${[...NAMES, ...WITH_HELP.map((option) => `--${flagsOf(option).long}`)].join(' ')}' ;;
    *) words= ;;
  esac
  if [[ -z $command || $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  fi
}
complete -o bashdefault -o default -F _isocket isocket
`;

/** In single quotes, for _arguments: no bracket or colon of ours is one of its own. */
const inZsh = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(/[[\]:\\]/g, '\\$&');

const zshOption = (option: Option): string => {
  const flags = flagsOf(option);
  const value = flags.value === undefined ? '' : `:${flags.value.replace('...', '')}:${isPath(flags) ? '_files' : ''}`;
  return `'--${flags.long}[${inZsh(option[1])}]${value}'`;
};

/** `_isocket`, in a folder of $fpath. */
export const zshCompletion = (): string => `#compdef isocket
# zsh completion of isocket
local -a commands common
local context state state_descr line
typeset -A opt_args
commands=(
${COMMANDS.map(({ description }, at) => `  '${NAMES[at]}:${inZsh(description)}'`).join('\n')}
)
common=(
${WITH_HELP.map((option) => `  ${zshOption(option)}`).join('\n')}
)
_arguments -C $common '1: :->command' '*:: :->rest'
case $state in
  command) _describe command commands ;;
  rest)
    case $words[1] in
${COMMANDS.map(({ options = [] }, at) => `      ${NAMES[at]}) _arguments $common ${[...options.map(zshOption), "'*:file:_files'"].join(' ')} ;;`).join('\n')}
    esac ;;
esac
`;

const inFish = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const fishOption = (condition: string, option: Option): string => {
  const { short, long, value } = flagsOf(option);
  const parts = [
    `complete -c isocket${condition}`,
    ...(short === undefined ? [] : [`-s ${short}`]),
    `-l ${long}`,
    ...(value === undefined ? [] : ['-r']),
    `-d ${inFish(option[1])}`,
  ];
  return parts.join(' ');
};

/** For a folder of $fish_complete_path. */
export const fishCompletion = (): string =>
  [
    '# fish completion of isocket',
    `set -l commands ${NAMES.join(' ')}`,
    'complete -c isocket -n "not __fish_seen_subcommand_from $commands" -f',
    ...COMMANDS.map(
      ({ description }, at) =>
        `complete -c isocket -n "not __fish_seen_subcommand_from $commands" -a ${NAMES[at]} -d ${inFish(description)}`,
    ),
    ...WITH_HELP.map((option) => fishOption('', option)),
    ...COMMANDS.flatMap(({ options = [] }, at) =>
      options.map((option) => fishOption(` -n "__fish_seen_subcommand_from ${NAMES[at]}"`, option)),
    ),
    '',
  ].join('\n');
