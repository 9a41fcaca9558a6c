import type { AlertsConfig } from '../../config/config.ts';
import type { IsocketEvent } from '../../core/events.ts';
import type { Overview } from '../../core/overview.ts';
import type { Name } from '../../name.ts';
import { conditionsOf } from '../notify/conditions.ts';
import { EventFacts, heldFiles } from '../notify/event-facts.ts';

/** What is known of a site at one moment. */
export interface TroubleFacts {
  readonly overview: Overview;
  readonly unreadable: readonly { readonly path: Name; readonly reason: string }[];
  /** The unsent file that was changed longest ago. */
  readonly oldest: { readonly path: Name; readonly sinceMs: number } | undefined;
  readonly isAlive: boolean;
}

/** Why a site is not well now, by the limits that somebody is told by (`alerts`). */
export class Troubles {
  readonly #limits: AlertsConfig;
  readonly #facts = new EventFacts();
  readonly #downMs = new Map<string, number>();

  constructor(alerts: AlertsConfig) {
    // A late directory is no failure to send, and what is unsent for long is told by its age.
    this.#limits = { ...alerts, successMs: null, late: false };
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

  reasons({ overview, unreadable, oldest, isAlive }: TroubleFacts, nowMs: number): string[] {
    const { root, failing, late } = overview;
    const held = heldFiles([...failing.filter((one) => one.held), ...unreadable]);
    const facts = { root, down: this.#facts.down, held, oldestUnsent: oldest, late, isWhole: false };
    const since = { downMs: this.#downMs, wholeMs: nowMs };
    return [
      ...conditionsOf(facts, since, this.#limits, nowMs).map(({ message }) => message),
      ...(isAlive
        ? []
        : ['the daemon does not get round: it lists nothing in time; its log and the load of the host say why']),
    ];
  }
}
