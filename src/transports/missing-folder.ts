import { showName, type Name } from '../name.ts';

/** For `check`, where destination.path does not exist and could be made. @param highest the highest folder that is missing */
export const missingFolder = (path: Name, highest: Name = path): string =>
  highest === path
    ? `${showName(path)} does not exist: the first scan makes it`
    : `${showName(path)} does not exist, nor does ${showName(highest)}: the first scan makes them`;
