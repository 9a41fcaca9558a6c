import { counted, formatBytes, formatShare } from '../../core/units.ts';
import type { LiveSiteStatus } from '../live/live-status.ts';
import type { DirectoryStatus } from '../site-status.ts';
import { Plots } from './plots.ts';
import { element, setText, showFigures, showList, showRows, type Row } from './rows.ts';
import { showMessage, showName } from '../../name.ts';
import { inOrder, phaseOf, remarksOn, shareOf, showSeconds, stateOf, summaryOf } from './words.ts';

/** As `/events` tells it: the oldest finished directories are summed up. */
interface Shown extends LiveSiteStatus {
  readonly more?: { readonly directories: number };
}

const RETRY_MS = 5000;
/** Finished directories that are shown at first. */
const FINISHED_AT_FIRST = 5;

const plots = new Plots();
let showsAll = false;
let last: Shown | undefined;

const show = (status: Shown): void => {
  last = status;
  const { site, root, daemon, problems } = status;
  const { state, sentence } = stateOf(status);
  document.title = `${state === 'bad' ? '(!) ' : ''}${showName(site)} – isocket`;
  setText(element('site'), showName(site));
  setText(element('place'), showName(root));
  setText(element('line'), `Live. isocket ${daemon.version}, since ${showTime(daemon.since)}`);
  element('state').dataset.state = state;
  setText(element('sentence'), sentence);
  showList(element('problems'), problems.map(showMessage));
  showFigures(element('figures'), figuresOf(status));
  showRows(element('destinations'), [...destinationRows(status), ...bestEffortRows(status)]);
  plots.show(daemon.history);
  showDirectories(status);
  showHeld(status);
  showFailures(status);
  showFlight(status);
};

const showTime = (time: string | null): string =>
  time === null ? 'an unknown time' : new Date(time).toLocaleString('en-GB');

/** "1 file", "1,234 files". */
const countedIn = (files: number): string => `${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}`;

const figuresOf = ({ daemon, directories }: Shown): [string, string][] => {
  const { backlog, secondsLeft, activity } = daemon;
  const oldest = Math.max(-1, ...directories.map(({ oldestUnsentSeconds }) => oldestUnsentSeconds ?? -1));
  const rate = activity?.throughput?.bytesPerSecond ?? 0;
  return [
    ['Waiting', countedIn(backlog.files)],
    ['Size of it', formatBytes(backlog.bytes)],
    ['Rate, last minute', `${formatBytes(Math.round(rate))}/s`],
    ['Time left', backlog.files === 0 ? 'none' : secondsLeft === null ? 'not known' : showSeconds(secondsLeft)],
    ['Oldest unsent', oldest < 0 ? 'none' : `${showSeconds(oldest)} ago`],
    ['Held back', (activity?.held.length ?? 0).toLocaleString('en')],
  ];
};

const nextTry = (seconds: number | null | undefined): string[] =>
  seconds === null || seconds === undefined ? [] : [`tried again in ${showSeconds(seconds)}`];

const destinationRows = ({ daemon }: Shown): Row[] =>
  (daemon.activity?.connections ?? []).map(({ destination, state, message, hint, nextSeconds }) => {
    const since = daemon.down.find((one) => one.destination === destination)?.since;
    return {
      key: destination,
      cells: [
        showName(destination),
        state === 'up'
          ? { text: '✓ reached', kind: 'ok' }
          : state === 'lost'
            ? 'not connected'
            : { text: `✕ down${since === undefined ? '' : ` since ${showTime(since)}`}`, kind: 'bad' },
        showMessage([message ?? [], hint ?? [], ...nextTry(nextSeconds)].flat().join('; ')),
      ],
    };
  });

/** Nothing waits for them: that one is down is nothing bad. */
const bestEffortRows = ({ bestEffort = [] }: Shown): Row[] =>
  bestEffort.map(({ destination, behind, state, message, since }) => ({
    key: destination,
    cells: [
      showName(destination),
      `best effort${state === 'down' && since !== undefined ? `, down since ${showTime(since)}` : ''}`,
      [
        behind === 0 ? [] : `${counted(behind, 'finished directory', 'finished directories')} behind`,
        message === undefined ? [] : showMessage(message),
      ]
        .flat()
        .join('; '),
    ],
  }));

const showDirectories = ({ directories, more, daemon: { command } }: Shown): void => {
  const { first, finished } = inOrder(directories);
  const shown = showsAll ? finished : finished.slice(0, FINISHED_AT_FIRST);
  const rows = [...first, ...shown].map((directory) => directoryRow(directory, command));
  showRows(element('directories'), rows);
  setText(element('summary'), summaryOf(finished, more?.directories ?? 0));
  const button = element('more');
  button.hidden = finished.length <= FINISHED_AT_FIRST;
  button.setAttribute('aria-expanded', String(showsAll));
  setText(
    button,
    showsAll
      ? 'Show fewer of the finished ones'
      : `Show ${counted(finished.length, 'finished directory', 'finished directories')}`,
  );
};

const directoryRow = (directory: DirectoryStatus, command: string): Row => {
  const { name, files, bytes, oldestUnsentSeconds } = directory;
  const remarks = remarksOn(directory, command);
  return {
    key: name,
    cells: [
      showName(name),
      phaseOf(directory),
      shareOf(directory),
      { text: files === null ? '?' : files.toLocaleString('en'), kind: 'number' },
      { text: bytes === null ? '?' : formatBytes(bytes), kind: 'number' },
      oldestUnsentSeconds === null ? '' : `${showSeconds(oldestUnsentSeconds)} ago`,
      remarks === '' ? '' : { text: remarks, kind: 'bad' },
    ],
  };
};

const showHeld = ({ daemon }: Shown): void => {
  const held = daemon.activity?.held ?? [];
  element('held-section').hidden = held.length === 0;
  const rows = held.map(({ path, reason, hint, attempts, nextSeconds }): Row => {
    const next = nextSeconds === null ? 'not known' : `in ${showSeconds(nextSeconds)}`;
    const why = hint === null || hint === undefined ? reason : `${reason}; ${hint}`;
    return { key: path, cells: [showName(path), showMessage(why), { text: String(attempts), kind: 'number' }, next] };
  });
  showRows(element('held'), rows);
};

const showFailures = ({ daemon }: Shown): void => {
  const failures = daemon.failures.files;
  element('failures-section').hidden = failures.length === 0;
  const rows = failures.map(({ path, at, message, hint }): Row => {
    const what = hint === undefined ? message : `${message}; ${hint}`;
    return { key: `${path} ${at}`, cells: [showTime(at), showName(path), showMessage(what)] };
  });
  showRows(element('failures'), rows);
};

/** A person reads a few. */
const MOST_FLYING = 8;

const showFlight = ({ daemon }: Shown): void => {
  const { inFlight } = daemon;
  const named = (daemon.activity?.sending ?? []).slice(0, MOST_FLYING).map(({ path, bytes, sent = 0 }) => {
    const size = sent === 0 ? formatBytes(bytes) : formatShare(sent, bytes);
    return `${showName(path)}, ${size}`;
  });
  element('flight-section').hidden = inFlight === 0;
  const rest = inFlight - named.length;
  showList(element('flight'), [...named, ...(rest > 0 ? [`and ${rest.toLocaleString('en')} more`] : [])]);
};

element('more').addEventListener('click', () => {
  showsAll = !showsAll;
  if (last !== undefined) show(last);
});

/** So long after the last word what is shown is old: the daemon gives a sign of life every 15 seconds. */
const OLD_MS = 40_000;
let events: EventSource | undefined;
let heardMs = performance.now();

const showOld = (sentence: string): void => {
  setText(element('line'), 'No connection to isocket: what is shown is old. Trying again …');
  element('state').dataset.state = 'bad';
  setText(element('sentence'), sentence);
};

const NO_ANSWER = 'isocket does not answer: is the daemon running?';

/** Where as many read the events as may. */
const askOnce = async (): Promise<void> => {
  const answer = await fetch('status.json');
  if (!answer.ok) throw new Error(answer.statusText);
  show((await answer.json()) as Shown);
  setText(element('line'), `Too many watch: asked anew every ${RETRY_MS / 1000} seconds`);
};

const listen = (): void => {
  events?.close();
  events = new EventSource('events');
  const { CLOSED } = EventSource;
  const source = events;
  const heard = (): void => {
    heardMs = performance.now();
  };
  source.addEventListener('beat', heard);
  source.onmessage = ({ data }: MessageEvent<string>) => {
    heard();
    show(JSON.parse(data) as Shown);
  };
  source.onerror = () => {
    if (source.readyState !== CLOSED) {
      showOld(NO_ANSWER);
      return;
    }
    heard();
    void askOnce()
      .catch(() => showOld(NO_ANSWER))
      .then(() => setTimeout(listen, RETRY_MS));
  };
};

/** A daemon that hangs, a host without power, a cable: nothing tells of these. */
const lookWhetherOld = (): void => {
  if (performance.now() - heardMs < OLD_MS) return;
  showOld('isocket has said nothing for a while: see whether it and its host are well');
  heardMs = performance.now();
  listen();
};

listen();
setInterval(lookWhetherOld, RETRY_MS);
addEventListener('online', listen);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') lookWhetherOld();
});
