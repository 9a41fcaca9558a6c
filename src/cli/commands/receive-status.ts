import { parseListenAddress } from '../../core/listen-address.ts';
import type { Report } from '../../core/events.ts';
import { UserError } from '../../errors.ts';
import { showName } from '../../name.ts';
import type { Receiver } from '../../receiver/receiver.ts';
import { readVersion } from '../version.ts';
import { onceEach } from './once-each.ts';
import type { ReceiveOptions } from './receive-options.ts';

/**
 * Answers at `receive.status.listen` and writes `receive.status.textfile`, until it is disposed of. Who asks for neither loads nothing.
 * @throws UserError for an address that is none
 */
export const tellReceiverStatus = async (
  { root: folder, status }: Pick<ReceiveOptions, 'root' | 'status'>,
  receiver: Pick<Receiver, 'figures'>,
  report: Report,
): Promise<Disposable> => {
  const { listen = null, textfile = null } = status ?? {};
  using stack = new DisposableStack();
  if (listen === null && textfile === null) return stack.move();
  const failed = onceEach((message) =>
    report({ type: 'note', level: 'warning', message: `Cannot say how it goes: ${message}` }),
  );
  const { ReceiverMetrics } = await import('../../status/metrics/receiver-metrics.ts');
  const [root, version, figures] = [showName(folder), readVersion(), receiver.figures];
  const metrics = stack.use(new ReceiverMetrics({ root, version, figures, textfile, report, failed }));
  if (listen !== null) {
    const address = statusAddress(listen);
    const [{ StatusServer }, { ReceiverAnswers, RECEIVER_WORDS: words }] = await Promise.all([
      import('../../status/serve/status-server.ts'),
      import('../../status/serve/receiver-answers.ts'),
    ]);
    const answers = new ReceiverAnswers({ host: address.host, root, version, figures, metrics, failed });
    stack.use(new StatusServer({ listen: address, answers, words, report }));
  }
  return stack.move();
};

/** @throws UserError */
const statusAddress = (listen: string) => {
  const address = parseListenAddress(listen);
  if (address !== undefined) return address;
  throw new UserError(`Cannot tell the status on "${listen}": it is not HOST:PORT`, {
    hint: 'use for example 127.0.0.1:9181, or 9181 alone: a port of this host',
  });
};
