import {
  type AsyncOptions,
  bytesOf,
  checkFunction,
  checkOptions,
  checkTag,
  checkTimeout,
  checkWhole,
  type Data,
  type TagOptions,
  type TimeoutOptions,
} from './arguments';
import { onAbort } from './aborts';
import { End } from './end';
import { inTurn, inTurnAsync } from './iterate';
import { NOT_YET, type Task } from './line';
import { type MemberOptions, memberArguments } from './members';
import { type Member, type NativeServer, native } from './native';
import { at, place, room } from './pool';
import type { OnReady } from './sides';

/** How to open a service. */
export interface ServerOptions extends MemberOptions {
  /** Bytes for the requests of each client, and as many for its answers. Default: 1 MiB. */
  capacity?: number | undefined;
  /** How many clients there may be at a time: 1 to 1024. Each takes a page of memory. Default: 64. */
  clients?: number | undefined;
  /**
   * Stands by while another server lives, so many milliseconds at most, or `true` for as long as it takes, and takes over when
   * it has died or closed. **It blocks the event loop meanwhile.** Default: another one is an error.
   */
  standby?: boolean | number | undefined;
}

/**
 * Answers a request. What it gives, or what its promise is fulfilled with, is the reply; what an async or other generator
 * yields are several. With nothing it has answered by itself, or else the reply is empty. What it throws fails the call.
 */
export type Handler = (request: Request) => Answer | Promise<Answer> | AsyncIterable<Data> | Iterable<Data>;

// biome-ignore lint/suspicious/noConfusingVoidType: what a function without `return` returns.
type Answer = Data | void;

/** The codes of failures that Python's and Node's servers give by themselves (docs/spec/registry.md, S1). */
const NO_METHOD = 0xffff_fffe;
const RAISED = 0xffff_fffd;

const notes = new Uint32Array(7);
const FOR_EVER = 0xffff_ffff;

/** Requests that nobody can reach any more are given up, and their clients told. */
const forgotten = new FinalizationRegistry<() => void>((drop) => drop());

/** A request, and the way to answer it, when and in what order one likes. */
export class Request {
  /** The request's bytes: a copy. */
  readonly data: Buffer;
  /** The client's own number; 0 unless it chose one. */
  readonly tag: number;
  /** What is called; empty where the client named no method. */
  readonly method: string;
  /** Who asks. */
  readonly client: Member;
  readonly #native: NativeServer;
  readonly #number: number;
  readonly #deadline: number | undefined;
  readonly #channel: string;
  #isAnswered = false;

  /** @internal */
  constructor(native: NativeServer, data: Buffer) {
    const [tag = 0, low = 0, high = 0, pid = 0, left = FOR_EVER, hasMethod, number = 0] = notes;
    this.#native = native;
    this.#number = number;
    this.#channel = native.name;
    this.#deadline = left === FOR_EVER ? undefined : performance.now() + left;
    this.data = data;
    this.tag = tag;
    this.method = hasMethod === 1 ? native.method(number) : '';
    this.client = { number: high * 2 ** 32 + low, pid };
    forgotten.register(this, () => native.drop(number), this);
  }

  /** Milliseconds that the client still waits; `undefined`: for ever. */
  get timeLeft(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - performance.now());
  }

  /** Whether the client has given the call up, as far as the server has heard: while it waits for requests. */
  get cancelled(): boolean {
    return this.#native.isCancelled(this.#number);
  }

  /** Whether the call is over: a reply, an end or a failure was sent. */
  get answered(): boolean {
    return this.#isAnswered;
  }

  /**
   * Answers, and ends the call. Never waits: what a slow client has no room for is kept for it.
   *
   * @throws {KrenError} `KREN_TOO_LARGE`; `KREN_FULL` when the client has not read some 16 MiB of answers; `KREN_CLOSED` when it
   *   was answered already, or the server was closed
   */
  reply(data: Data, options?: TagOptions): void {
    this.#native.reply(this.#number, bytesOf(data), this.#tag(options));
    this.#settle();
  }

  /**
   * Gives one of several answers; {@link end} comes after the last one.
   *
   * @throws {KrenError} as {@link reply}; `KREN_CANCELLED` once the client has given the call up
   */
  item(data: Data, options?: TagOptions): void {
    this.#native.item(this.#number, bytesOf(data), this.#tag(options));
  }

  /** Ends several answers. @throws {KrenError} as {@link reply} */
  end(): void {
    this.#native.end(this.#number);
    this.#settle();
  }

  /**
   * Says that the call has failed: the client gets `KREN_REMOTE` with this code, 0 to 4294967295, and text.
   *
   * @throws {KrenError} as {@link reply}
   */
  fail(code: number, text: string): void {
    if (code >>> 0 !== code)
      throw new RangeError(`code must be a whole number from 0 to 4294967295, not ${code}`);
    this.#native.fail(this.#number, code, String(text));
    this.#settle();
  }

  #tag(options: TagOptions | undefined): number {
    return options === undefined ? 0 : checkTag(checkOptions(options).tag, this.#channel);
  }

  #settle(): void {
    this.#isAnswered = true;
    forgotten.unregister(this);
  }
}

/**
 * The answering side of a service: it gets the requests of any number of clients ({@link Client}), and answers each when and in
 * what order it likes.
 *
 * Requests of one client come in their order, those of several are taken in turn. A client that does not read its answers
 * holds up nobody else's. There is one server per name; others may stand by. What a server that died had not answered goes to its
 * successor where the client allows it, and fails otherwise.
 *
 * ```js
 * const server = new kren.Server('model');
 * server.method('classify', async (request) => classify(request.data));
 * server.method('complete', async function* (request) { yield* tokens(request.data); });
 * await server.serve({ signal });
 * ```
 *
 * or, without methods: `for await (const request of server) request.reply(answer(request.data));`
 */
export class Server extends End {
  readonly #native: NativeServer;
  readonly #methods = new Map<string, Handler>();
  readonly #next: Task<Request>;

  /**
   * Serves `name` from now on.
   *
   * @throws {KrenError} `KREN_WRITER_EXISTS` while another server of this name lives; `KREN_TIMED_OUT` for one that stood by;
   *   `KREN_WRONG_KIND`; otherwise as {@link Writer}
   */
  constructor(name: string, options?: ServerOptions) {
    const { clients, capacity, standby } = checkOptions(options);
    const made = native.openServer(
      name,
      ...memberArguments(name, options),
      checkWhole(clients, 'clients', name),
      checkWhole(capacity, 'capacity', name),
      typeof standby === 'boolean' || standby === undefined
        ? standby
          ? -1
          : undefined
        : checkTimeout(standby, name, 'standby'),
    );
    super(made, 'server');
    this.#native = made;
    this.#next = { attempt: () => this.#take() ?? NOT_YET, length: 0, what: 'request' };
  }

  /**
   * The next request, waiting for it without blocking the event loop.
   *
   * @throws {KrenError} (as a rejection) `KREN_TIMED_OUT`; `KREN_CLOSED` after `close()`; and whatever reason `signal` was aborted with
   */
  async next(options?: AsyncOptions): Promise<Request> {
    return this.attempt(this.#next, this.limits(options), true);
  }

  /** The next request, blocking the thread until there is one. @throws {KrenError} as {@link next}; `KREN_BUSY` while that waits */
  nextSync(options?: TimeoutOptions): Request {
    const timeout = checkTimeout(checkOptions(options).timeout, this.name);
    this.line.refuseToBlock('nextSync()');
    for (;;) {
      const request = this.#take();
      if (request !== undefined) return request;
      this.#native.wait(timeout);
    }
  }

  /** The next request if there is one now, else `null`. @throws {KrenError} `KREN_CLOSED` after `close()` */
  tryNext(): Request | null {
    if (this.line.length > 0) {
      this.line.serve();
      if (this.line.length > 0) return null;
    }
    return this.#take() ?? null;
  }

  /** The requests as they come, blocking the thread, until the server is closed. */
  [Symbol.iterator](): Generator<Request, undefined, undefined> {
    return inTurn(() => this.nextSync());
  }

  /** The requests as they come, without blocking the event loop, until the server is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Request> {
    return inTurnAsync((signal) => this.attempt(this.#next, { timeout: -1, signal }, true));
  }

  /**
   * Has {@link serve} give the requests that name this method to `handler`; those that name none go to the method `''`.
   *
   * ```js
   * server.method('add', (request) => String(JSON.parse(request.data).reduce((a, b) => a + b)));
   * ```
   */
  method(name: string, handler: Handler): this {
    if (typeof name !== 'string') throw new TypeError("a method's name must be a string");
    if (handler === undefined) throw new TypeError('a method needs a handler');
    this.#methods.set(name, checkFunction(handler, 'the handler') as Handler);
    return this;
  }

  /**
   * Serves requests by their methods until `signal` is aborted or the server is closed, and then waits for the handlers that are at
   * work. Any number of them are at work at a time. A request for a method that is not there fails with code 2^32 - 2, one
   * whose handler throws with code 2^32 - 3 and the error's text.
   *
   * @throws {KrenError} (as a rejection) `KREN_CORRUPT`, `KREN_IO`: the server is broken
   */
  async serve(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const signal = this.limits({ signal: options.signal?.aborted ? undefined : options.signal }).signal;
    const working = new Set<Promise<void>>();
    const requests = this[Symbol.asyncIterator]();
    const ignore = signal && onAbort(signal, () => requests.return?.());
    if (options.signal?.aborted) await requests.return?.();
    try {
      for await (const request of requests) {
        const work = this.#handle(request);
        working.add(work);
        work.finally(() => working.delete(work));
      }
    } finally {
      ignore?.();
    }
    await Promise.all(working);
  }

  async #handle(request: Request): Promise<void> {
    const handler = this.#methods.get(request.method);
    try {
      if (handler === undefined) {
        const known = [...this.#methods.keys()].map((name) => `'${name}'`).join(', ') || 'none';
        request.fail(NO_METHOD, `there is no method '${request.method}'; there are: ${known}`);
        return;
      }
      await answer(request, handler);
    } catch (error) {
      refuse(request, error);
    }
  }

  /** The clients that are there. */
  get clients(): Member[] {
    return Object.values(this.#native.clients());
  }

  /** Closes this side: requests that were not answered fail at their clients. Calls that wait are rejected with `KREN_CLOSED`. */
  override close(): void {
    super.close();
  }

  /** @internal */
  protected override arm(_what: number, onReady: OnReady): void {
    this.#native.arm(0, onReady);
  }

  /** @internal */
  protected override leave(): void {}

  #take(): Request | undefined {
    const taken = this.#native.next(room(), at(), notes);
    if (taken === undefined) return undefined;
    return new Request(this.#native, typeof taken === 'number' ? place(taken) : taken);
  }
}

async function answer(request: Request, handler: Handler): Promise<void> {
  const given = handler(request);
  if (isStream(given)) {
    for await (const item of given) {
      // Leaving the loop ends the generator.
      if (request.cancelled) return;
      request.item(item);
    }
    if (!request.answered) request.end();
    return;
  }
  const reply = await given;
  if (!request.answered) request.reply(reply ?? '');
}

/** Whether it yields answers, and is not one itself. */
function isStream(given: unknown): given is AsyncIterable<Data> | Iterable<Data> {
  if (typeof given !== 'object' || given === null || ArrayBuffer.isView(given)) return false;
  return Symbol.asyncIterator in given || Symbol.iterator in given;
}

/** Tells the client, if it can still be told. */
function refuse(request: Request, error: unknown): void {
  if (request.answered) return;
  try {
    request.fail(RAISED, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  } catch {
    // The client is gone, or the server was closed.
  }
}
