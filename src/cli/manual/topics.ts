/** What a command of isocket ends with. */
export const EXIT_CODES: readonly (readonly [code: string, means: string])[] = [
  ['0', 'done'],
  ['1', 'a defect of isocket'],
  ['2', 'usage or configuration'],
  ['3', 'files left unsent; of status: a problem; of prune, verify, restore, fill: not all is as it should be'],
  ['4', 'another isocket works on this root'],
  ['130, 143', 'stopped by SIGINT, SIGTERM'],
];

export const ENVIRONMENT: readonly (readonly [name: string, means: string])[] = [
  ['ISOCKET_CONFIG', 'the configuration, where --config is not given'],
  ['NO_COLOR', 'no colours on a terminal'],
];

/** What is to be known beside the commands: `isocket help TOPIC`, and in the man page. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly text: string;
  readonly rows: readonly (readonly [what: string, means: string])[];
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'marks',
    summary: 'what g+w and the two markers mean',
    text: 'A file is marked when every destination has confirmed it. The record in the state folder proves a mark: this name, inode, size and times were confirmed by this destination. A mark that no record proves is a claim: every destination is asked, and what it lacks is sent.',
    rows: [
      ['-rw-rw-r-- (g+w)', 'the file is at every destination, whole, under its final name'],
      ['-rw-r--r--', 'it is not sent, or it was changed since'],
      ['finished.parse', 'written by the parser: nothing more comes into this directory'],
      ['finished.watch', 'written by isocket: every file of this directory is there; it is not looked into again'],
      ['isocket reset DIR', 'takes marks and finished.watch away: the directory is sent again'],
      ['find /datas -type f ! -perm -g+w', 'what is not marked'],
    ],
  },
  {
    name: 'directories',
    summary: 'when a directory is sent, and when it is finished',
    text: 'The first that applies:',
    rows: [
      ['finished.watch is there', 'never listed again'],
      ['finished.parse is there', 'every file is sent, all is verified, finished.watch is written'],
      ['a newer directory is there', 'the same, after source.superseded without a change'],
      ['it is the newest', 'what is complete is sent; the directory stays open'],
    ],
  },
  { name: 'exit-codes', summary: 'what a command ends with', text: 'The same for every command:', rows: EXIT_CODES },
  { name: 'environment', summary: 'variables that isocket reads', text: 'A flag goes before them:', rows: ENVIRONMENT },
];

/** As a terminal shows it. Pure. */
export const topicText = ({ text, rows }: Topic): string =>
  `${text}\n\n${rows.map(([what, means]) => `  ${what}\n      ${means}\n`).join('')}`;
