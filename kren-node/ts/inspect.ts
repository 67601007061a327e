// What channels there are, seen from outside: nobody is disturbed.

import { checkName } from './arguments';
import { KrenError } from './errors';
import { addon } from './native';

/** How a channel fares. */
export type ChannelState =
  | 'idle'
  | 'full'
  | 'waiting for a reader'
  | 'waiting for a writer'
  | 'writer died'
  | 'reader died'
  | 'undelivered'
  | 'stale'
  | 'open'
  | 'owner died'
  | 'damaged'
  | 'other version'
  | 'unreadable';

/** A seat of a channel, and who has it. */
export interface SideInfo {
  readonly seat: number;
  readonly state: 'never attached' | 'attached' | 'closed' | 'died' | 'unknown';
  readonly pid: number;
  readonly isElsewhere: boolean;
  readonly session: number;
  /** Milliseconds since 1970. */
  readonly since: number | null;
  readonly position: number;
  readonly count: number;
  readonly wakes: number;
  readonly sleeps: number;
  readonly isAsleep: boolean;
  /** Milliseconds since 1970. */
  readonly asleepSince: number | null;
  readonly isStreaming: boolean;
  readonly usesBarrier: boolean;
  readonly stance: 'lossy' | 'lossless' | 'durable' | null;
  readonly isPassedOver: boolean;
  readonly identity: string;
  readonly advice: number;
  readonly lane: number;
}

/**
 * What is known of a channel. The first five are always there, `reason` for what is damaged or cannot be read, and the rest
 * for a segment of this version; those of the ring (from `written` on) where it has one.
 */
export interface ChannelInfo {
  readonly name: string;
  readonly state: ChannelState;
  readonly bytes: number;
  readonly owner: number | null;
  readonly mode: number | null;
  readonly reason?: string;
  readonly version?: number;
  readonly kind?: string;
  readonly capacity?: number;
  readonly alignment?: number;
  readonly granularity?: number;
  readonly seats?: number;
  readonly evicts?: boolean;
  readonly instance?: string;
  /** Milliseconds since 1970. */
  readonly created?: number | null;
  readonly creator?: number;
  readonly group?: string | null;
  readonly schema?: { readonly name: string; readonly hash: string; readonly text: string } | null;
  readonly origin?: { readonly name: string; readonly hash: string; readonly instance: string } | null;
  readonly writer?: SideInfo;
  readonly readers?: readonly SideInfo[];
  readonly written?: number;
  readonly writtenBytes?: number;
  readonly released?: number;
  readonly releasedBytes?: number;
  readonly undelivered?: number;
  readonly used?: number;
  readonly kept?: number;
  readonly marks?: number;
  readonly damage?: string | null;
}

/**
 * What is known of every channel that this user can see, by name. Takes no part in any, and stores nothing. What is damaged,
 * of another version or not to be read is in the list as what it is.
 *
 * @throws {KrenError} `KREN_IO` where shared memory cannot be listed (only Linux can)
 */
export function channels(): ChannelInfo[] {
  return look();
}

/**
 * What is known of the channel `name`. Takes no part in it, and stores nothing.
 *
 * @throws {KrenError} `KREN_NOT_FOUND`; `KREN_INVALID_NAME`
 */
export function inspect(name: string): ChannelInfo {
  const [found] = look(checkName(name));
  return found as ChannelInfo;
}

function look(name?: string): ChannelInfo[] {
  const seen = addon.look(name);
  if ('channels' in seen) return seen.channels as ChannelInfo[];
  throw new KrenError(seen.number, seen.message, seen.channel);
}
