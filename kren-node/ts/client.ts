import {
  type AsyncOptions,
  bytesOf,
  checkFlag,
  checkOptions,
  checkTag,
  checkWhole,
  type Data,
  type TagOptions,
  wrongType,
} from './arguments';
import { End } from './end';
import { type KrenError, krenError } from './errors';
import { Line, NOT_YET } from './line';
import { type MemberOptions, memberArguments } from './members';
import { type NativeClient, native, type PeerState } from './native';
import { at, place, room } from './pool';
import type { OnReady } from './sides';

/** How to join a service. */
export interface ClientOptions extends MemberOptions {
  /** Bytes of requests under way that there is room for, where no server has said so. Default: 1 MiB. */
  capacity?: number | undefined;
  /** How many clients the service may have at a time, if this one comes first: 1 to 1024. Default: 64. */
  clients?: number | undefined;
}

/** What goes with a request. `timeout` is for the whole answer; `signal` gives the call up, and the server is told. */
export interface CallOptions extends AsyncOptions, TagOptions {
  /** What is called, of a server with several methods. Default: no name. */
  method?: string | undefined;
  /** A server that succeeds one that died may do the request again. Default: not, and the call fails with `KREN_SERVER_DIED`. */
  retry?: boolean | undefined;
}

/** An answer: a Buffer, with the tag that the server gave it. */
export type Reply = Buffer & { readonly tag: number };

const notes = new Uint32Array(4);
const [ITEM, LAST, END] = [0, 1, 2];

/** A call that is not over. */
interface Open {
  readonly parts: Reply[];
  isOver: boolean;
  failure: KrenError | undefined;
}

/** What is asked for, checked. */
interface Asked {
  readonly data: Uint8Array;
  readonly tag: number;
  readonly method: string;
  readonly retry: boolean;
}

/**
 * One of the calling sides of a service ({@link Server}). Any number of calls may be under way; they are answered in any order.
 *
 * A call that cannot be answered ends: with `KREN_NO_SERVER` at once where there is none, and the request was not sent; with
 * `KREN_SERVER_DIED` within 200 ms where it died meanwhile, and may have done part of it; with `KREN_TIMED_OUT`; with the
 * reason of its `signal`; and with `KREN_REMOTE` (`remoteCode`, `remoteText`) where the server said that it failed.
 *
 * ```js
 * const client = new kren.Client('model');
 * const reply = await client.call(image, { method: 'classify', timeout: 1000 });
 * for await (const token of client.stream(prompt, { method: 'complete' })) process.stdout.write(token);
 * ```
 */
export class Client extends End {
  readonly #native: NativeClient;
  /** Those who wait for room for a request. */
  readonly #line: Line;
  readonly #open = new Map<number, Open>();

  /**
   * Joins the service `name`, whose server need not be there yet.
   *
   * @throws {KrenError} `KREN_NO_SEAT` while all seats are taken; `KREN_WRONG_KIND`; otherwise as {@link Writer}
   */
  constructor(name: string, options?: ClientOptions) {
    const { clients, capacity } = checkOptions(options);
    const made = native.openClient(
      name,
      ...memberArguments(name, options),
      checkWhole(clients, 'clients', name),
      checkWhole(capacity, 'capacity', name),
    );
    super(made, 'client', () => this.#drain());
    this.#native = made;
    const roomEnd = { ...made, setRef: (on: boolean) => made.setRoomRef(on) };
    const method = (): string => this.#waiting[0]?.method ?? '';
    this.#line = new Line(this, roomEnd, (length, onReady) => made.armRoom(length, onReady, method()));
  }

  /** The requests that wait for room, in their order. */
  readonly #waiting: Asked[] = [];

  /**
   * Sends a request and waits for its answer, without blocking the event loop. Where the server gives several it is the
   * first one, and the server is told that the others are not wanted.
   *
   * @throws {KrenError} (as a rejection) `KREN_NO_SERVER`, `KREN_SERVER_DIED`, `KREN_TIMED_OUT`, `KREN_REMOTE`; `KREN_TOO_LARGE`;
   *   `KREN_CLOSED` after `close()`; and whatever reason `signal` was aborted with
   */
  async call(request: Data, options?: CallOptions): Promise<Reply> {
    for await (const reply of this.#ask(request, options)) return reply;
    throw krenError('KREN_REMOTE', `service '${this.name}': the server gave no answer`, this.name);
  }

  /**
   * Sends a request, when the loop over it begins, and gives the answers as they come. A loop that is left gives the call up.
   *
   * @throws {KrenError} (from the loop) as {@link call}
   */
  stream(request: Data, options?: CallOptions): AsyncGenerator<Reply, void, undefined> {
    return this.#ask(request, options);
  }

  async *#ask(request: Data, options: CallOptions | undefined): AsyncGenerator<Reply, void, undefined> {
    const { timeout, signal } = this.limits(options);
    const deadline = performance.now() + timeout;
    const left = (): number => (timeout < 0 ? timeout : Math.max(0, Math.ceil(deadline - performance.now())));
    const asked = this.#check(request, options);
    // At once, if there is room: what is called first is sent first.
    const number = this.#start(asked, timeout) ?? (await this.#startLater(asked, timeout, signal));
    const call: Open = { parts: [], isOver: false, failure: undefined };
    this.#open.set(number, call);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const reply = await this.attempt(
          { attempt: () => nextOf(call), length: 0, what: 'answer' },
          { timeout: left(), signal },
          true,
        );
        if (reply === undefined) return;
        yield reply;
      }
    } finally {
      this.#open.delete(number);
      if (!call.isOver && !this.closed) this.#native.cancel(number);
    }
  }

  /** Sends a request; the number of the call, if there is room. */
  #start({ data, tag, method, retry }: Asked, timeout: number): number | undefined {
    return this.#line.length > 0 ? undefined : this.#native.start(data, tag, timeout, method, retry);
  }

  /** Sends a request as soon as there is room. */
  async #startLater(asked: Asked, timeout: number, signal: AbortSignal | undefined): Promise<number> {
    const { data, tag, method, retry } = asked;
    const attempt = (): number | typeof NOT_YET =>
      this.#native.start(data, tag, timeout, method, retry) ?? NOT_YET;
    this.#waiting.push(asked);
    try {
      return await this.#line.wait({ attempt, length: data.length, what: 'room' }, timeout, signal, false);
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(asked), 1);
    }
  }

  #check(request: Data, options: CallOptions | undefined): Asked {
    const { tag, method = '', retry } = checkOptions(options);
    if (typeof method !== 'string') throw wrongType('method', 'a string', method);
    return {
      data: bytesOf(request),
      tag: checkTag(tag, this.name),
      method,
      retry: checkFlag(retry, 'retry') === true,
    };
  }

  /** How the server stands: `never_attached`, `attached`, `closed` or `died`. Makes a system call. */
  get serverState(): PeerState {
    return this.#native.serverState();
  }

  /** Calls that are under way, those that wait for room for their request as well. */
  get pending(): number {
    return this.#open.size + this.#waiting.length;
  }

  /** Answers that came when nobody waited for them any more. */
  get late(): number {
    return this.#native.late();
  }

  /** The longest request, in bytes, if it names no method. */
  get maxRequestLength(): number {
    return this.#native.maxRequestLength();
  }

  /** Closes this side; calls that are under way are rejected with `KREN_CLOSED`, and the server is told. */
  override close(): void {
    super.close();
  }

  override ref(): this {
    this.#line.setRef(true);
    return super.ref();
  }

  override unref(): this {
    this.#line.setRef(false);
    return super.unref();
  }

  /** @internal */
  protected override arm(_what: number, onReady: OnReady): void {
    this.#native.arm(0, onReady);
    // Once more: what came before it was armed rings for nobody.
    if (this.#drain()) queueMicrotask(onReady);
  }

  /** @internal */
  protected override leave(): void {
    this.#line.close(() =>
      krenError('KREN_CLOSED', `service '${this.name}': this client was closed while it waited`, this.name),
    );
  }

  /** Hands what has come to its calls; tells whether that was anything. */
  #drain(): boolean {
    let isAny = false;
    // It may have been rung for before it was closed.
    while (!this.closed) {
      const taken = this.#native.next(room(), at(), notes);
      if (taken === undefined) break;
      isAny = true;
      const [tag = 0, low = 0, high = 0, kind] = notes;
      const call = this.#open.get(high * 2 ** 32 + low);
      if (kind === ITEM || kind === LAST) {
        const bytes = typeof taken === 'number' ? place(taken) : (taken as Buffer);
        call?.parts.push(Object.assign(bytes, { tag }));
      } else if (kind !== END && call !== undefined) {
        call.failure = taken as KrenError;
      }
      if (kind !== ITEM && call !== undefined) call.isOver = true;
    }
    return isAny;
  }
}

/** The next answer to a call; `undefined` when there are no more. */
function nextOf(call: Open): Reply | undefined | typeof NOT_YET {
  const part = call.parts.shift();
  if (part !== undefined) return part;
  if (call.failure !== undefined) throw call.failure;
  return call.isOver ? undefined : NOT_YET;
}
