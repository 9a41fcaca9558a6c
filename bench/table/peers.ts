import { readdirSync, writeFileSync } from 'node:fs';
import type { Peer, Route } from './contest.ts';

const sshOptions = ({ knownHosts, identityFile }: Route): string[] => [
  '-o',
  `UserKnownHostsFile=${knownHosts}`,
  '-o',
  'BatchMode=yes',
  '-i',
  identityFile,
];
const ssh = (route: Route): string => `ssh -p ${route.port} ${sshOptions(route).join(' ')}`;
const below = ({ root }: Route): string[] => readdirSync(root).map((name) => `${root}/${name}`);

const rsync =
  (...options: readonly string[]) =>
  (route: Route): string[] => [
    'rsync',
    '-a',
    ...options,
    '-e',
    ssh(route),
    `${route.root}/`,
    `root@127.0.0.1:${route.destination}/`,
  ];

/** Everybody who sends a tree of files over ssh, with the options under which it is quickest. */
export const PEERS: Readonly<Record<string, Peer>> = {
  'rsync -a': { program: '/usr/bin/rsync', command: rsync() },
  // Whole files: nothing is at the destination that a delta could begin with.
  'rsync -aW': { program: '/usr/bin/rsync', command: rsync('-W') },
  'rsync -a --fsync': { program: '/usr/bin/rsync', command: rsync('--fsync') },
  'tar | ssh': {
    program: '/usr/bin/tar',
    command: (route) => [
      'bash',
      '-c',
      `tar -C ${route.root} -c . | ${ssh(route)} root@127.0.0.1 tar -C ${route.destination} -xp`,
    ],
  },
  'scp -rp': {
    program: '/usr/bin/scp',
    command: (route) => [
      'scp',
      '-rpq',
      '-P',
      String(route.port),
      ...sshOptions(route),
      ...below(route),
      `root@127.0.0.1:${route.destination}/`,
    ],
  },
  'sftp -b': {
    program: '/usr/bin/sftp',
    command: (route) => {
      const batch = `${route.folder}/batch`;
      writeFileSync(batch, `put -rp ${route.root}/. ${route.destination}\n`);
      return ['sftp', '-q', ...sshOptions(route), '-P', String(route.port), '-b', batch, 'root@127.0.0.1'];
    },
  },
  lftp: {
    program: '/usr/bin/lftp',
    command: (route) => {
      const script = [
        'set sftp:auto-confirm yes',
        `set sftp:connect-program "ssh -a -x ${sshOptions(route).join(' ')}"`,
        `open -u root, -p ${route.port} sftp://127.0.0.1`,
        `mirror -R --parallel=8 ${route.root} ${route.destination}`,
        'bye',
      ];
      return ['lftp', '-c', script.join('; ')];
    },
  },
  rclone: {
    program: '/usr/bin/rclone',
    command: (route) => [
      'rclone',
      'copy',
      '--config=/dev/null',
      '--transfers=16',
      '--sftp-set-modtime',
      route.root,
      `:sftp,host=127.0.0.1,user=root,port=${route.port},key_file=${route.identityFile},known_hosts_file=${route.knownHosts},shell_type=unix:${route.destination}`,
    ],
  },
};
