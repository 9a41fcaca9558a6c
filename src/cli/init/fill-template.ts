/** Values for the sample configuration, by their path: "source.root". undefined leaves the line as it is. */
export type Filling = Readonly<Record<string, string | number | undefined>>;

const LINE = /^(?<indent> *)(?<off># ?)?(?<key>[A-Za-z]+):(?: (?<rest>.*))?$/;

/**
 * The sample with our values in it, every comment kept. Pure. A key that stands there as a comment ("# site: ED1") is switched on.
 * @throws Error for a value whose key is not in the sample: that is a defect of ours
 */
export const fillTemplate = (template: string, filling: Filling): string => {
  const open = new Map(Object.entries(filling).filter(([, value]) => value !== undefined));
  let section = '';
  const lines = template.split('\n').map((line) => {
    const { indent = '', off, key = '', rest = '' } = LINE.exec(line)?.groups ?? {};
    if (key === '') return line;
    const isInside = indent !== '' && section !== '';
    if (!isInside && off === undefined) section = key;
    const path = isInside ? `${section}.${key}` : key;
    const value = open.get(path);
    if (value === undefined) return line;
    open.delete(path);
    const comment = commentOf(rest);
    return `${indent}${key}: ${scalar(value)}${comment === '' ? '' : ` ${comment}`}`;
  });
  const [lost] = open.keys();
  if (lost !== undefined) throw new Error(`the sample has no line for ${lost}`);
  return lines.join('\n');
};

const commentOf = (rest: string): string => {
  const quoted = /^(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")/.exec(rest)?.[0] ?? '';
  const at = rest.indexOf(' #', quoted.length);
  return rest.startsWith('#') ? rest : at < 0 ? '' : rest.slice(at + 1).replace(/^# ! /, '# ');
};

const PLAIN = /^[A-Za-z/~][A-Za-z0-9_./~@-]*$/;
const WORDS_OF_YAML = /^(?:true|false|null|yes|no|on|off|y|n|~)$/i;

/** Plain where that is beyond doubt; else in JSON's quotes, which YAML reads. */
const scalar = (value: string | number): string => {
  if (typeof value === 'number') return String(value);
  if (PLAIN.test(value) && !WORDS_OF_YAML.test(value)) return value;
  // What JSON leaves bare and YAML breaks a line at, or refuses.
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
};
