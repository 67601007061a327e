// Checks what users pass, and turns it into what the native layer takes.

import { krenError } from './errors';

/** What can be written: text is sent as UTF-8, anything else as the bytes it covers. */
export type Data = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** How a blocking call waits: `spin` never sleeps, `adaptive` spins for some microseconds, `sleep` sleeps at once. */
export type Strategy = 'spin' | 'adaptive' | 'sleep';

export interface TimeoutOptions {
  /** Milliseconds to wait at most. Default: as long as it takes. */
  timeout?: number | undefined;
}

export interface AsyncOptions extends TimeoutOptions {
  /** Gives the wait up; the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface TagOptions {
  /** A number of your own, 0 to 4294967295, that travels with the message. Default 0. */
  tag?: number | undefined;
}

const FOR_EVER = -1;
const NOTHING = Object.freeze({});

/** What `value` is, in words, for a message. */
function kind(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return typeof value;
}

export function wrongType(what: string, accepted: string, value: unknown): TypeError {
  return new TypeError(`${what} must be ${accepted}, not ${kind(value)}`);
}

export function checkName(name: unknown): string {
  if (typeof name !== 'string') throw wrongType('the name of a channel', 'a string', name);
  return name;
}

export function checkCapacity(capacity: unknown, channel: string): number {
  if (typeof capacity !== 'number') throw wrongType('the capacity', 'a number of bytes', capacity);
  if (!Number.isSafeInteger(capacity) || capacity < 0) {
    throw krenError(
      'KREN_INVALID_CAPACITY',
      `channel '${channel}' cannot have a capacity of ${capacity} bytes; give the size of the ring as a ` +
        'positive whole number, for example 1024 * 1024',
      channel,
    );
  }
  return capacity;
}

export function checkOptions<T extends object>(options: T | null | undefined): T {
  if (options === undefined || options === null) return NOTHING as T;
  if (typeof options !== 'object') throw wrongType('the options', 'an object', options);
  return options;
}

/** Milliseconds for the native layer. */
export function checkTimeout(timeout: unknown, channel: string, option = 'timeout'): number {
  if (timeout === undefined || timeout === null) return FOR_EVER;
  if (typeof timeout !== 'number') throw wrongType(option, 'a number of milliseconds', timeout);
  if (Number.isNaN(timeout) || timeout < 0) {
    throw invalid(
      option,
      `${timeout} is not 0 or more milliseconds; leave it out to wait as long as it takes`,
      channel,
    );
  }
  return timeout === Number.POSITIVE_INFINITY ? FOR_EVER : timeout;
}

export function checkTag(tag: unknown, channel: string): number {
  if (tag === undefined || tag === 0) return 0;
  if (typeof tag !== 'number') throw wrongType('tag', 'a number', tag);
  if (tag >>> 0 !== tag) throw invalid('tag', `${tag} is no whole number from 0 to 4294967295`, channel);
  return tag;
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (!(signal instanceof AbortSignal)) throw wrongType('signal', 'an AbortSignal', signal);
  return signal;
}

export function checkStrategy(strategy: unknown, channel: string): Strategy | undefined {
  if (strategy === undefined) return undefined;
  if (typeof strategy !== 'string') throw wrongType('strategy', 'a string', strategy);
  if (strategy === 'spin' || strategy === 'adaptive' || strategy === 'sleep') return strategy;
  throw invalid('strategy', `'${strategy}' is not 'spin', 'adaptive' or 'sleep'`, channel);
}

export function checkStart(start: unknown, channel: string): 'oldest' | 'newest' | undefined {
  if (start === undefined) return undefined;
  if (typeof start !== 'string') throw wrongType('start', 'a string', start);
  if (start === 'oldest' || start === 'newest') return start;
  throw invalid('start', `'${start}' is not 'oldest' or 'newest'`, channel);
}

/** Where a subscriber starts: 0 at the newest, 1 at the oldest, 2 behind the number of messages that is the second. */
export function checkSubscriberStart(start: unknown, channel: string): [number, number] {
  if (start === undefined || start === 'newest') return [0, 0];
  if (start === 'oldest') return [1, 0];
  if (typeof start !== 'number' && typeof start !== 'string')
    throw wrongType('start', "'newest', 'oldest' or a number", start);
  if (typeof start === 'number' && Number.isSafeInteger(start) && start >= 0) return [2, start];
  throw invalid('start', `'${start}' is not 'newest', 'oldest' or the number of a message`, channel);
}

export function checkFlag(flag: unknown, option: string): boolean | undefined {
  if (flag === undefined || typeof flag === 'boolean') return flag;
  throw wrongType(option, 'true or false', flag);
}

export function checkFunction<F>(call: F | undefined, what: string): F | undefined {
  if (call === undefined || typeof call === 'function') return call;
  throw wrongType(what, 'a function', call);
}

/** A whole number that the core then checks for range. */
export function checkWhole(value: unknown, option: string, channel: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw wrongType(option, 'a number', value);
  if (value >>> 0 !== value) throw invalid(option, `${value} is no whole number, 0 or more`, channel);
  return value;
}

/** The bytes of `data`, without a copy unless it is text. */
export function bytesOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) {
    // What has lost its memory looks empty.
    return data.length === 0 ? bytesOfView(data) : data;
  }
  if (ArrayBuffer.isView(data)) return bytesOfView(data);
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer || isForeignArrayBuffer(data)) {
    try {
      // Of that length for good: without it the view would grow and shrink with what can be resized.
      return new Uint8Array(data, 0, data.byteLength);
    } catch {
      throw lost();
    }
  }
  throw wrongType('data', 'a string, Buffer, TypedArray, DataView, ArrayBuffer or SharedArrayBuffer', data);
}

function bytesOfView(data: ArrayBufferView): Uint8Array {
  try {
    // Refused without memory, where the length is told as 0. A DataView refuses to tell it.
    if (data.byteLength === 0 && !('getUint8' in data)) firstOf.call(data as Uint8Array, 0);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  } catch {
    throw lost();
  }
}

/** Of any typed array. */
const firstOf = Uint8Array.prototype.at;

function lost(): TypeError {
  return new TypeError(
    'data has lost its memory: its buffer was transferred or shrunk, or it is a borrowed message or reserved ' +
      'room that was given back; write it before that, or write a copy',
  );
}

/** For data that has `length` bytes no more when its turn comes. */
export function changed(channel: string, length: number, now: number): TypeError {
  return new TypeError(
    `channel '${channel}': data had ${length} bytes when writeAsync() was called and has ${now} now that there is ` +
      'room for it: its buffer was transferred, resized or given back meanwhile; leave it as it is until the ' +
      'promise is settled, or hand over a copy',
  );
}

/** Several messages, and not one that could be taken for several. */
export function checkMessages(messages: unknown): Iterable<unknown> {
  if (typeof messages === 'string' || messages instanceof String || ArrayBuffer.isView(messages)) {
    throw wrongType('messages', 'an iterable of messages (one alone: write(), or in an array)', messages);
  }
  const many = messages as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (typeof many?.[Symbol.iterator] === 'function') return many as Iterable<unknown>;
  if (typeof many?.[Symbol.asyncIterator] === 'function') {
    throw wrongType(
      'messages',
      'an iterable that need not be awaited (such a one: writeAsync() each)',
      messages,
    );
  }
  throw wrongType('messages', 'an iterable of messages', messages);
}

/** An ArrayBuffer of another realm, for example of a `vm` context, is no instance of ours. */
function isForeignArrayBuffer(data: unknown): data is ArrayBuffer {
  const tag = Object.prototype.toString.call(data);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}

function invalid(option: string, reason: string, channel: string): Error {
  return krenError(
    'KREN_INVALID_OPTION',
    `channel '${channel}': option ${option} is not valid: ${reason}`,
    channel,
  );
}
