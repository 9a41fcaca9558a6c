/** True of a daemon, which tries again, and of a scan, which does not. */
const NEXT_TRY = 'the next try of the daemon, or the next run';

export const MAKE_ROOM = `make room at the destination; what is not there yet goes with ${NEXT_TRY}`;

export const LEASED = `another process has a lease on it (Samba, say), and gives it back soon: it goes with ${NEXT_TRY}`;
