/** A part of the help of a command, below its options. */
export interface HelpSection {
  readonly title: string;
  readonly rows: readonly (readonly [what: string, means: string])[];
}

/** Of `isocket receive`. */
export const RECEIVE_HELP: readonly HelpSection[] = [
  {
    title: 'Signals',
    rows: [
      [
        'SIGHUP',
        'read the authorized keys and the limits again; what else is changed in the configuration takes a restart',
      ],
      ['SIGTERM, SIGINT', 'take nobody more, and give transfers up to limits.end; a second one ends at once'],
    ],
  },
  {
    title: 'Limits, in the configuration alone (receive.limits), and their defaults',
    rows: [
      ['logins: 128, loginsPerAddress: 32', 'connections that have not logged in; beyond it the oldest ends'],
      [
        'connections: 512, connectionsPerAddress: 256, connectionsPerKey: 64',
        'connections that have logged in; beyond it a new one is refused',
      ],
      ['login: 20s', 'how long a login may take'],
      ['idle: 1h', 'how long a client may ask for nothing'],
      ['keepAlive: 15s', 'how often a silent client is asked whether it is there'],
      ['end: 30s', 'how long transfers may take once it is to end'],
    ],
  },
];
