import { rmSync } from 'node:fs';

/**
 * Removes a file, or a folder with all in it, that is of no use any more. What the system refuses to remove stays, and is in nobody's way:
 * whoever made it looks for such things later. (What `rmSync` throws for a sick disk has no code, and would pass for a defect.)
 */
export const removeIfPossible = (path: string): void => {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It stays.
  }
};
