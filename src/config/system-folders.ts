/** Folders of the system itself, with all that is in them; a parser has nothing there. */
const SYSTEM = /^\/(?:bin|boot|dev(?!\/shm\/.)|etc|lib|lib32|lib64|libx32|proc|sbin|sys|usr(?!\/local\/.))(?:\/|$)/;
/** Folders that hold what belongs to everybody: a tag can pick the parser's directories out of them. */
const SHARED = /^\/(?:|home|root|run|srv|tmp|var|var\/lib|var\/log|var\/tmp)$/;

/** Whether all that is below a root could be the parser's: isocket sends it, and sets g+w on every file. Pure. */
export const mayBeRoot = ({ root, tag }: { readonly root: string; readonly tag: string }): boolean =>
  !SYSTEM.test(root) && !(tag === '' && SHARED.test(root));
