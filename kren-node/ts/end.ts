// What every endpoint has, whatever it does: a name, those who wait for it, and a close.

import * as threads from 'node:worker_threads';
import { type AsyncOptions, checkOptions, checkSignal, checkTimeout } from './arguments';
import { krenError } from './errors';
import { Line, NOT_YET, type Task } from './line';
import type { NativeEnd } from './native';
import type { OnReady } from './sides';
import { mustYield } from './turn';
import './dispose';

/** From Node.js 22.10 and 23 on. Before, what arrives in the other thread is an object that can do nothing. */
const { markAsUncloneable } = threads as { markAsUncloneable?: (object: object) => void };

/** Milliseconds, or less than 0 for ever; and what gives a wait up. */
export interface Limits {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * An endpoint of this process. It belongs to its thread: `postMessage` and `structuredClone` refuse it (from Node.js 22.10 and 23 on; before,
 * what arrives is an object that can do nothing). Open one there.
 */
export abstract class End {
  /** The name of the channel. */
  readonly name: string;
  /** Those who wait. @internal */
  protected readonly line: Line;
  readonly #native: NativeEnd;
  readonly #role: string;
  #isClosed = false;

  /**
   * `role` is what it is called in errors. With `before`, see Line.
   *
   * @internal
   */
  constructor(native: NativeEnd, role: string, before?: () => void) {
    this.name = native.name;
    this.#native = native;
    this.#role = role;
    this.line = new Line(this, native, (what, onReady) => this.arm(what, onReady), before);
    markAsUncloneable?.(this);
  }

  /** Has `onReady` called when there is what a task of that length waits for. @internal */
  protected abstract arm(what: number, onReady: OnReady): void;

  /** Lets go of what it holds, once. @internal */
  protected abstract leave(): void;

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Whether the name was taken away, so that it leads to this endpoint no more: it goes on with those who are there, and
   * nobody else can come. Makes a system call.
   *
   * @throws {KrenError} `KREN_CLOSED` after `close()`
   */
  get isRemoved(): boolean {
    return this.#native.isRemoved();
  }

  /** Closes this side; calls that wait are rejected with `KREN_CLOSED`. Closing twice is fine. */
  close(): void {
    this.end(() => this.#native.close());
  }

  /** Closes it in the way of `closeNative`. @internal */
  protected end(closeNative: () => void): void {
    try {
      if (!this.#isClosed) {
        this.#isClosed = true;
        this.leave();
      }
      closeNative();
    } finally {
      this.line.close(() =>
        krenError(
          'KREN_CLOSED',
          `channel '${this.name}': this ${this.#role} was closed while it waited`,
          this.name,
        ),
      );
    }
  }

  /** Lets a call that waits keep the process alive. That is the default. */
  ref(): this {
    this.line.setRef(true);
    return this;
  }

  /** Lets the process exit although a call waits. */
  unref(): this {
    this.line.setRef(false);
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** Does `task` in its turn, at once if that is possible; with `yields` not before the loop has turned, if it is time for that. @internal */
  protected attempt<T>(task: Task<T>, { timeout, signal }: Limits, yields: boolean): Promise<T> {
    try {
      const isTime = yields && mustYield();
      if (!isTime && this.line.length === 0) {
        const value = task.attempt();
        if (value !== NOT_YET) return Promise.resolve(value);
      }
      return this.line.wait(task, timeout, signal, isTime);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The same with what a user gives. @internal */
  protected waitFor<T>(task: Task<T>, options: AsyncOptions): Promise<T> {
    try {
      return this.attempt(task, this.limits(options), false);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @internal */
  protected limits(options: AsyncOptions | undefined): Limits {
    const checked = checkOptions(options);
    const signal = checkSignal(checked.signal);
    signal?.throwIfAborted();
    return { timeout: checkTimeout(checked.timeout, this.name), signal };
  }
}
