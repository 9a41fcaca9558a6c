import { errorMessage } from '../../errors.ts';

/** Whatever is wrong here, files go on: it is told once. */
export const onceEach = (tell: (message: string) => void): ((error: unknown) => void) => {
  const told = new Set<string>();
  return (error) => {
    const message = errorMessage(error);
    if (told.has(message)) return;
    told.add(message);
    tell(message);
  };
};
