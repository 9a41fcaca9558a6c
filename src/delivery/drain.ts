import type { Sender } from './sender.ts';
import type { UploadQueue } from './upload-queue.ts';

/**
 * Resolves when nothing is on its way any more. What a destination lacks that was silent goes there as soon as it answers, and not only when a
 * slower one has all. Rejects with a defect.
 * @param catchUp called when a destination answers: hands over what was left behind
 */
export const drain = async (
  queue: Pick<UploadQueue, 'drain'>,
  sender: Pick<Sender, 'onAnswer'>,
  catchUp: () => Promise<void>,
): Promise<void> => {
  let answer = Promise.withResolvers<'answered'>();
  const end = sender.onAnswer(() => answer.resolve('answered'));
  try {
    while ((await Promise.race([queue.drain(), answer.promise])) === 'answered') {
      answer = Promise.withResolvers();
      await catchUp();
    }
  } finally {
    end();
  }
};
