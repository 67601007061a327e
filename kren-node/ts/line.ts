// Asynchronous calls of one endpoint that wait for the ring: first come, first served.

import { onAbort } from './aborts';
import { type KrenError, krenError, timedOut } from './errors';
import type { NativeEnd } from './native';
import type { OnReady } from './sides';
import { turned } from './turn';

/** What an attempt gives when the ring is not ready for it. */
export const NOT_YET = Symbol('not yet');

/** One thing to do as soon as the ring allows. */
export interface Task<T> {
  attempt(): T | typeof NOT_YET;
  /** The room in bytes that a writer needs for it. */
  readonly length: number;
  /** What is waited for, as an error says it. */
  readonly what: string;
  /** Whether it goes on waiting although this has ended the wait. */
  readonly outlasts?: (failure: KrenError) => boolean;
}

interface Place extends Task<unknown> {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
  /** Removes timer and listener. */
  leave(): void;
}

/** Endpoints with somebody in line: the native side holds them weakly, so they must not be collected. */
const busy = new Set<object>();

/** setTimeout takes no more than this, in milliseconds. */
const LONGEST_TIMER = 0x7fff_ffff;

export class Line {
  /** How many wait. A field, since each call of the endpoint looks at it. */
  length = 0;
  readonly #places = new Set<Place>();
  readonly #owner: object;
  readonly #native: NativeEnd;
  readonly #armOwner: (length: number, onReady: OnReady) => void;
  readonly #before: (() => void) | undefined;
  readonly #onReady: OnReady;
  #isYielding = false;
  /** Whether waiting is to keep the process alive, and whether it does just now. */
  #wantsRef = true;
  #hasRef = false;

  /**
   * `arm` has `onReady` called when `owner` can go on: see NativeEndpoint.arm. With `before`, which is called before anybody is
   * served, those who wait are served in any order: each waits for something of its own.
   */
  constructor(
    owner: object,
    native: NativeEnd,
    arm: (length: number, onReady: OnReady) => void,
    before?: () => void,
  ) {
    this.#before = before;
    this.#owner = owner;
    this.#native = native;
    this.#armOwner = arm;
    // The native side keeps this function for as long as the endpoint is open. Held strongly, an endpoint
    // that the program has let go would never be collected and closed.
    const weak = new WeakRef<Line>(this);
    this.#onReady = (failure) => {
      const line = weak.deref();
      if (line) line.#ready(failure);
    };
  }

  /** Throws where a blocking call would overtake the asynchronous ones, or wait with them for ever. */
  refuseToBlock(call: string): void {
    if (this.length > 0) {
      const channel = this.#native.name;
      throw krenError(
        'KREN_BUSY',
        `channel '${channel}': ${call} would block while ${this.length} asynchronous calls on this ` +
          'endpoint are waiting; await them first, or use the asynchronous call',
        channel,
      );
    }
  }

  /** Puts `task` at the end of the line. With `yields` it is tried when the loop has turned, not before. */
  wait<T>(task: Task<T>, timeout: number, signal: AbortSignal | undefined, yields: boolean): Promise<T> {
    if (timeout === 0) {
      const value = this.length === 0 ? task.attempt() : NOT_YET;
      if (value !== NOT_YET) return Promise.resolve(value);
      return Promise.reject(timedOut(task.what, timeout, this.#native.name));
    }
    return new Promise<T>((resolve, reject) => {
      const place: Place = {
        attempt: task.attempt,
        length: task.length,
        what: task.what,
        ...(task.outlasts && { outlasts: task.outlasts }),
        resolve: resolve as (value: unknown) => void,
        reject,
        leave: () => {},
      };
      place.leave = this.#limit(place, timeout, signal);
      this.#places.add(place);
      this.length += 1;
      busy.add(this.#owner);
      try {
        if (yields) this.#yield();
        else if (this.length === 1 && !this.#isYielding) this.#arm(place.length);
        this.#updateRef();
      } catch (error) {
        this.#remove(place);
        reject(error);
      }
    });
  }

  /** Serves whoever can be served now. */
  serve(failure?: KrenError): void {
    this.#before?.();
    let isArmed = false;
    for (const place of this.#places) {
      try {
        const value = place.attempt();
        if (value !== NOT_YET) {
          this.#remove(place);
          place.resolve(value);
        } else if (failure !== undefined && !place.outlasts?.(failure)) {
          this.#remove(place);
          place.reject(failure);
        } else {
          if (!isArmed) this.#arm(place.length);
          isArmed = true;
          if (this.#before === undefined) return;
        }
      } catch (error) {
        this.#remove(place);
        place.reject(error);
      }
    }
  }

  /** Turns everybody away, because the endpoint is being closed. */
  close(reason: () => KrenError): void {
    for (const place of this.#places) {
      this.#remove(place);
      place.reject(reason());
    }
  }

  setRef(on: boolean): void {
    this.#wantsRef = on;
    this.#updateRef();
  }

  /** Sets timer and listener of a place; gives the function that removes them. */
  #limit(place: Place, timeout: number, signal: AbortSignal | undefined): () => void {
    let timer: NodeJS.Timeout | undefined;
    if (timeout > 0) {
      const deadline = performance.now() + timeout;
      const tick = (): void => {
        const left = deadline - performance.now();
        if (left > 0) {
          // Unreferenced: whether the wait keeps the process alive is for ref() and unref() to say.
          timer = setTimeout(tick, Math.min(Math.ceil(left), LONGEST_TIMER)).unref();
        } else {
          this.#giveUp(place, timedOut(place.what, timeout, this.#native.name));
        }
      };
      tick();
    }
    const ignore = signal && onAbort(signal, () => this.#giveUp(place, signal.reason));
    return () => {
      clearTimeout(timer);
      ignore?.();
    };
  }

  #giveUp(place: Place, reason: unknown): void {
    const wasFirst = this.#places.values().next().value === place;
    this.#remove(place);
    place.reject(reason);
    // The next in line may be content with less room.
    if (wasFirst && !this.#isYielding) this.serve();
  }

  #remove(place: Place): void {
    place.leave();
    if (this.#places.delete(place)) this.length -= 1;
    if (this.length === 0) {
      busy.delete(this.#owner);
      this.#updateRef();
    }
  }

  /** An armed wait is left as it is when nobody needs it any more: it costs nothing, and may be needed again. */
  #arm(length: number): void {
    this.#armOwner(length, this.#onReady);
  }

  #ready(failure: KrenError | undefined): void {
    turned();
    if (!this.#isYielding || failure !== undefined) this.serve(failure);
  }

  #yield(): void {
    if (this.#isYielding) return;
    this.#isYielding = true;
    setImmediate(() => {
      this.#isYielding = false;
      turned();
      this.serve();
    });
  }

  #updateRef(): void {
    const on = this.#wantsRef && this.length > 0;
    if (on === this.#hasRef) return;
    this.#hasRef = on;
    this.#native.setRef(on);
  }
}
