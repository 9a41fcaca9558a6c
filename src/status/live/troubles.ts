import type { AlertsConfig } from '../../config/config.ts';
import type { IsocketEvent } from '../../core/events.ts';
import type { Overview } from '../../core/overview.ts';
import type { Name } from '../../name.ts';
import { ALERT_KINDS, conditionsOf, type Condition } from '../notify/conditions.ts';
import { EventFacts, heldFiles } from '../notify/event-facts.ts';

/** What is known of a site at one moment. */
export interface TroubleFacts {
  readonly overview: Overview;
  readonly unreadable: readonly { readonly path: Name; readonly reason: string }[];
  /** The unsent file that was changed longest ago. */
  readonly oldest: { readonly path: Name; readonly sinceMs: number } | undefined;
  readonly isAlive: boolean;
}

const NOT_ALIVE = 'the daemon does not get round: it lists nothing in time; its log and the load of the host say why';

/** What is wrong with a site now. */
export class Troubles {
  readonly #alerts: AlertsConfig;
  readonly #facts = new EventFacts();
  readonly #downMs = new Map<string, number>();

  constructor(alerts: AlertsConfig) {
    this.#alerts = alerts;
  }

  note(event: IsocketEvent): void {
    this.#facts.note(event);
    if (event.type !== 'connection') return;
    if (event.state === 'restored') this.#downMs.delete(event.destination);
    else if (!this.#downMs.has(event.destination)) this.#downMs.set(event.destination, Date.now());
  }

  /** Since when each destination that is down has been so. */
  get down(): readonly { readonly destination: string; readonly since: string }[] {
    return [...this.#downMs].map(([destination, ms]) => ({ destination, since: new Date(ms).toISOString() }));
  }

  /** Why the site is not well, by the limits that somebody is told by (`alerts`): a late directory is no failure to send. */
  reasons(facts: TroubleFacts, nowMs: number): string[] {
    const limits = { ...this.#alerts, successMs: null, late: false, umask: false };
    return [
      ...this.#conditions(facts, limits, nowMs).map(({ message }) => message),
      ...(facts.isAlive ? [] : [NOT_ALIVE]),
    ];
  }

  /** How many conditions of each kind there are: whoever looks at them has limits of his own for how long one may last. */
  kinds(facts: TroubleFacts, nowMs: number): Readonly<Record<string, number>> {
    const limits = { ...this.#alerts, downMs: 0, successMs: null, held: true, late: true, umask: true };
    return countKinds(this.#conditions(facts, limits, nowMs));
  }

  #conditions(facts: TroubleFacts, limits: AlertsConfig, nowMs: number): Condition[] {
    const { overview, unreadable, oldest } = facts;
    const { root, failing, late, bornMarked, open, unfinishable } = overview;
    const held = heldFiles([...failing.filter((one) => one.held), ...this.#facts.unworkable, ...unreadable]);
    const seen = { root, down: this.#facts.down, held, unfinishable, oldestUnsent: oldest, late, bornMarked, open };
    return conditionsOf({ ...seen, isWhole: false }, { downMs: this.#downMs, wholeMs: nowMs }, limits, nowMs);
  }
}

/** A figure for each kind, 0 too. Pure. */
export const countKinds = (conditions: readonly Condition[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    ALERT_KINDS.filter((kind) => kind !== 'success').map((kind) => [
      kind,
      conditions.filter((one) => one.kind === kind).length,
    ]),
  );
