import {
  type AsyncOptions,
  checkFlag,
  checkOptions,
  checkSubscriberStart,
  type TimeoutOptions,
  wrongType,
} from './arguments';
import { searching } from './connect';
import { type NativeReader, native } from './native';
import { checkAccess, type ReaderOptions, RingReadingEnd } from './reader';

/** How to join a broadcast. */
export interface SubscriberOptions extends Omit<ReaderOptions, 'start' | 'schema'> {
  /**
   * Where to start: behind everything that was published before (`newest`, default), at the `oldest` message that the ring
   * still holds (to within a 32nd of its length), or behind so many messages, as {@link Subscriber.position} says it. What
   * is gone by then is told by the first read, as `KREN_LAGGED`.
   */
  start?: 'newest' | 'oldest' | number | undefined;
  /**
   * Never holds the publisher up. When it is too slow it misses messages, and `KREN_LAGGED` says how many (`missed`). Every
   * message is then a copy, borrowed ones too. Default: the publisher waits.
   */
  lossy?: boolean | undefined;
  /**
   * Keeps its place when it closes or dies: the publisher waits for it, and the next subscriber that asks for the same name
   * goes on there. Default: false.
   */
  durable?: boolean | string | undefined;
}

/** Lets `subscribe` make a Subscriber of what it has waited for. */
let adopted: NativeReader | undefined;

/**
 * A reading side of a broadcast, one of many. It can do what a {@link Reader} can; the writer that `waitForWriter`, `writerState`
 * and `writerClosed` speak of is the publisher.
 *
 * Unless it is lossy, the publisher waits for it, and it misses nothing after it has joined; except that it may be evicted
 * (see {@link PublisherOptions}), and then gets `KREN_EVICTED`. After that and `KREN_LAGGED` the next call goes on behind what was
 * missed, whose number the error's `missed` is.
 */
export class Subscriber extends RingReadingEnd {
  readonly #native: NativeReader;

  /**
   * Joins the broadcast `name`. It must exist, unless `timeout` says how many milliseconds to wait for it; that wait blocks
   * the event loop (see {@link subscribe} for one that does not).
   *
   * @throws {KrenError} as {@link Reader}; `KREN_NO_SEAT` while all seats are taken; `KREN_WRONG_KIND` when it is a channel;
   *   `KREN_READER_EXISTS` while a durable subscriber of the same name lives
   */
  constructor(name: string, options?: SubscriberOptions & TimeoutOptions) {
    const found = adopted ?? native.openSubscriber(...subscriberArguments(name, options));
    adopted = undefined;
    super(found);
    this.#native = found;
  }

  /** The number of the next message, counted from 0 since the broadcast was made: what `start` takes. */
  get position(): number {
    return this.countRead();
  }

  /**
   * Closes this side for good: the place of a durable subscriber is given up too, and the publisher does not wait for it
   * any more. Otherwise as {@link close}.
   */
  unsubscribe(): void {
    if (!this.closed) this.#native.giveUpPlace();
    this.close();
  }
}

/**
 * A subscriber to the broadcast `name`, waiting for the broadcast to exist without blocking the event loop.
 *
 * Without `timeout` it waits as long as it takes. The wait keeps the process alive.
 *
 * @throws {KrenError} (as a rejection) as {@link connect}, and as the constructor of {@link Subscriber}; and whatever reason `signal`
 *   was aborted with
 */
export function subscribe(name: string, options?: SubscriberOptions & AsyncOptions): Promise<Subscriber> {
  const at = (): Parameters<typeof native.openSubscriber> => subscriberArguments(name, options);
  return searching(name, options, {
    now: () => {
      const [, , ...rest] = at();
      return adopt(native.openSubscriber(name, undefined, ...rest));
    },
    later: (timeout, done) => {
      const [, , ...rest] = at();
      return native.connectSubscriber(name, timeout, ...rest, done);
    },
    adopt,
  });
}

function adopt(found: NativeReader): Subscriber {
  adopted = found;
  return new Subscriber(found.name);
}

function subscriberArguments(
  name: string,
  options: (SubscriberOptions & TimeoutOptions) | undefined,
): Parameters<typeof native.openSubscriber> {
  const { timeout, anyOwner, strategy, prefault, machineWide, live } = checkAccess(name, options);
  const { start, lossy, durable } = checkOptions(options);
  if (durable !== undefined && typeof durable !== 'boolean' && typeof durable !== 'string')
    throw wrongType('durable', 'true, false or a name', durable);
  const [where, number] = checkSubscriberStart(start, name);
  return [
    name,
    timeout,
    anyOwner,
    strategy,
    prefault,
    machineWide,
    live,
    where,
    number,
    checkFlag(lossy, 'lossy'),
    durable === true ? '' : durable === false ? undefined : durable,
  ];
}
