// The error class, and the table of codes that Rust, Python and Node share.

/** The stable code of every kind of error, with the number that all languages share. */
export const errorCodes = Object.freeze({
  /** No channel of that name exists. */
  KREN_NOT_FOUND: 1,
  /** A live writer already holds the channel. */
  KREN_WRITER_EXISTS: 2,
  /** A live reader already holds the channel. */
  KREN_READER_EXISTS: 3,
  /** The ring has no room for the message now. */
  KREN_FULL: 4,
  /** The ring holds no message now. */
  KREN_EMPTY: 5,
  /** The timeout passed first. */
  KREN_TIMED_OUT: 6,
  /** The other side closed the channel, or this endpoint was closed. */
  KREN_CLOSED: 7,
  /** The other side's process died without closing. */
  KREN_PEER_DIED: 8,
  /** The message can never fit this channel. */
  KREN_TOO_LARGE: 9,
  /** The channel name breaks the naming rules. */
  KREN_INVALID_NAME: 10,
  /** The capacity is zero or larger than the platform can map. */
  KREN_INVALID_CAPACITY: 11,
  /** The channel exists with another capacity or alignment and cannot be replaced. */
  KREN_CAPACITY_MISMATCH: 12,
  /** The operating system, or an owner check, refused access. */
  KREN_PERMISSION_DENIED: 13,
  /** There is not enough shared memory for the channel. */
  KREN_OUT_OF_MEMORY: 14,
  /** The shared bytes break the rules of the format. */
  KREN_CORRUPT: 15,
  /** The segment was made by an incompatible version of KREN. */
  KREN_VERSION_MISMATCH: 16,
  /** The endpoint was inherited through `fork` and belongs to the parent process. */
  KREN_FORKED: 17,
  /** A signal came while the call blocked the event loop, on which its handler waits. */
  KREN_INTERRUPTED: 18,
  /** Any other failure of the operating system. */
  KREN_IO: 19,
  /** Another call on this endpoint is still waiting. */
  KREN_BUSY: 20,
  /** An option other than name and capacity is out of range. */
  KREN_INVALID_OPTION: 21,
  /** The channel's name no longer leads to this endpoint's segment, and its other side is gone. */
  KREN_REMOVED: 22,
  /** A lossy subscriber was overtaken, and messages were overwritten before it read them. */
  KREN_LAGGED: 23,
  /** A slow subscriber was passed over by a publisher that would not wait any longer. */
  KREN_EVICTED: 24,
  /** No server of that name is there; the request was not sent. */
  KREN_NO_SERVER: 25,
  /** The server died before it had answered. */
  KREN_SERVER_DIED: 26,
  /** The call was cancelled, or is over. */
  KREN_CANCELLED: 27,
  /** The server says that the call failed. */
  KREN_REMOTE: 28,
  /** The sides say different things of the messages. */
  KREN_SCHEMA_MISMATCH: 29,
  /** The message is not the array, the arrays or the table that it was read as. */
  KREN_NOT_AN_ARRAY: 30,
  /** What stands under the name is of another kind, say a broadcast instead of a channel. */
  KREN_WRONG_KIND: 31,
  /** All seats for subscribers or members are taken. */
  KREN_NO_SEAT: 32,
} as const);

/** The stable code of an error, for example `KREN_TIMED_OUT`. */
export type KrenErrorCode = keyof typeof errorCodes;

const byNumber: string[] = [];
for (const [code, number] of Object.entries(errorCodes)) byNumber[number] = code;

/**
 * What every failure on a channel is thrown as. The message says what happened, to which channel, with the
 * figures, and what to do; `code` is what a program should look at.
 */
export class KrenError extends Error {
  /** The stable code, for example `KREN_TIMED_OUT`. */
  readonly code: KrenErrorCode;
  /** The number of the code, the same in every language; see {@link errorCodes}. */
  readonly number: number;
  /** The name of the channel. */
  readonly channel: string;
  /** Of `KREN_LAGGED` and `KREN_EVICTED`: how many messages were missed; the next call goes on behind them. */
  declare readonly missed?: number;
  /** Of `KREN_REMOTE`: the code that the server failed the call with. */
  declare readonly remoteCode?: number;
  /** Of `KREN_REMOTE`: the text that the server failed the call with. */
  declare readonly remoteText?: string;

  /** @internal */
  constructor(
    number: number,
    message: string,
    channel: string,
    missed?: number,
    remoteCode?: number,
    remoteText?: string,
  ) {
    super(message);
    if (missed !== undefined) this.missed = missed;
    if (remoteCode !== undefined) this.remoteCode = remoteCode;
    if (remoteText !== undefined) this.remoteText = remoteText;
    this.code = (byNumber[number] ?? `KREN_${number}`) as KrenErrorCode;
    this.number = number;
    this.channel = channel;
  }

  static {
    KrenError.prototype.name = 'KrenError';
  }
}

/** @internal */
export function krenError(code: KrenErrorCode, message: string, channel: string): KrenError {
  return new KrenError(errorCodes[code], message, channel);
}

/** @internal */
export function timedOut(what: string, after: number, channel: string): KrenError {
  return krenError(
    'KREN_TIMED_OUT',
    `channel '${channel}': no ${what} within ${after} ms; wait longer, or check that the other side runs`,
    channel,
  );
}

/** Whether `error` says that the other side is gone, in whatever way. @internal */
export function isGone(error: KrenError): boolean {
  return error.code === 'KREN_CLOSED' || error.code === 'KREN_PEER_DIED' || error.code === 'KREN_REMOVED';
}

/** Whether `error` says that nothing more will come. @internal */
export function isEnd(error: unknown): boolean {
  return error instanceof KrenError && error.code === 'KREN_CLOSED';
}
