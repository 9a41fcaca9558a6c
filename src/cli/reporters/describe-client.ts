import type { ClientEvent, ClientTotals } from '../../core/events.ts';
import { counted, formatBytes, formatDuration } from '../../core/units.ts';
import { showName } from '../../name.ts';
import type { Description } from './description.ts';

/** What a client of `isocket receive` did, as a sentence. */
export const describeClient = (event: ClientEvent): Description => {
  const { action, client, key = '', path = '', to = '', bytes = 0, totals } = event;
  const [name, size] = [showName(path), formatBytes(bytes)];
  switch (action) {
    case 'login':
      return {
        severity: 'result',
        text: `${client} logged in with the key ${key}${path === '' ? '' : `, into ${name}`}`,
      };
    case 'logout':
      return {
        severity: 'result',
        text: `${client} is gone${totals === undefined ? '' : ` ${describeTotals(totals)}`}`,
      };
    case 'wrote':
      return { severity: 'detail', text: `${client} wrote ${name} (${size})` };
    case 'cut':
      return { severity: 'warning', text: `${client} left ${name} unfinished: ${size} of it came` };
    case 'renamed':
      return { severity: 'detail', text: `${client} renamed ${name} to ${showName(to)}` };
    case 'removed':
      return { severity: 'result', text: `${client} removed ${name}` };
    case 'made':
      return { severity: 'detail', text: `${client} made the folder ${name}` };
    case 'refused':
      return { severity: 'warning', text: describeRefusal(event) };
  }
};

const describeTotals = ({ seconds, files, renamed, removed, written, read }: ClientTotals): string => {
  const done = `${counted(files, 'file')} written (${formatBytes(written)}), ${renamed} renamed, ${removed} removed, ${formatBytes(read)} read`;
  return `after ${formatDuration(seconds * 1000)}: ${done}`;
};

const describeRefusal = ({ client, user, key = '', path, reason: why = '', more = 0 }: ClientEvent): string => {
  const what = path === undefined ? '' : ` "${showName(path)}"`;
  const reason = user === undefined ? why : `"${showName(user)}" with the key ${key}: ${why}`;
  return more === 0
    ? `refused ${client}${what}: ${reason}`
    : `refused ${counted(more, 'more request')} or logins like that of ${client}${what}: ${reason}`;
};
