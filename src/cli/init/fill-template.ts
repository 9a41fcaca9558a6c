/** Values for the sample configuration by path ("source.root"). undefined leaves the line as it is. */
export type Filling = Readonly<Record<string, string | number | undefined>>;

const LINE = /^(?<indent> *)(?<off># ?)?(?<key>[A-Za-z]+):(?: (?<rest>.*))?$/;

/**
 * The sample with the values filled in, every comment kept. Pure. A key that is commented out ("# site: ED1") is uncommented.
 * @throws Error for a value whose key is not in the sample: a defect of isocket
 */
export const fillTemplate = (template: string, filling: Filling): string => {
  const remaining = new Map(Object.entries(filling).filter(([, value]) => value !== undefined));
  let section = '';
  const lines = template.split('\n').map((line) => {
    const { indent = '', off, key = '', rest = '' } = LINE.exec(line)?.groups ?? {};
    if (key === '') return line;
    const isNested = indent !== '' && section !== '';
    if (!isNested && off === undefined) section = key;
    const path = isNested ? `${section}.${key}` : key;
    const value = remaining.get(path);
    if (value === undefined) return line;
    remaining.delete(path);
    const comment = commentOf(rest);
    return `${indent}${key}: ${scalar(value)}${comment === '' ? '' : ` ${comment}`}`;
  });
  const [missing] = remaining.keys();
  if (missing !== undefined) throw new Error(`the sample has no line for ${missing}`);
  return lines.join('\n');
};

const commentOf = (rest: string): string => {
  const quoted = /^(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")/.exec(rest)?.[0] ?? '';
  const at = rest.indexOf(' #', quoted.length);
  return rest.startsWith('#') ? rest : at < 0 ? '' : rest.slice(at + 1).replace(/^# ! /, '# ');
};

const PLAIN = /^[A-Za-z/~][A-Za-z0-9_./~@-]*$/;
const YAML_KEYWORDS = /^(?:true|false|null|yes|no|on|off|y|n|~)$/i;

/** Plain where that is unambiguous; else a JSON string, which YAML reads. */
const scalar = (value: string | number): string => {
  if (typeof value === 'number') return String(value);
  if (PLAIN.test(value) && !YAML_KEYWORDS.test(value)) return value;
  // Characters that JSON does not escape, but YAML refuses or takes for a line break.
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
};
