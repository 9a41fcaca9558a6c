/** Cures for a connection that does not come about, by ssh2 or by the ssh program. */
export const NetworkHint = {
  NAME: 'correct destination.host, or fix the name service',
  NO_SERVER: 'see that the server runs and that destination.host and destination.port are right',
  NO_ANSWER: 'see that the host is up, that destination.host is right, and that no firewall drops what goes there',
  NOT_SSH:
    'see that an SSH server (version 2) listens at destination.port; one that is busy (MaxStartups), or has banned this host after failed logins, hangs up too: its log tells',
  SILENT:
    'see that an SSH server listens at destination.port, and is not stuck: it accepts connections and says nothing',
} as const;
