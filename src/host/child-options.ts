/**
 * What all our children have in common. They begin in "/": the working directory may be gone, or closed to this user (`runuser` in /root), and a
 * program that cannot be started there would pass for one that is not installed. They are in a process group of their own: Ctrl-C in a terminal
 * reaches isocket alone, which ends them in order.
 */
export const CHILD_OPTIONS = { cwd: '/', detached: true } as const;
