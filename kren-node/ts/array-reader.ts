// Reading arrays and tables. A message that is something else stays the next one.

import type { AsyncOptions, TimeoutOptions } from './arguments';
import type { ArrowOptions } from './array-writer';
import { type Arrow, arrowOr } from './arrow';
import { End } from './end';
import { krenError } from './errors';
import { inTurn, inTurnAsync } from './iterate';
import {
  arrayIn,
  arraysIn,
  copyOf,
  type DType,
  type Part,
  Refusal,
  show,
  tableIn,
  type TypedArray,
} from './payload';
import type { Loan, TakingSide } from './sides';
import './dispose';

/** A received array. */
export interface ReceivedArray {
  /**
   * The elements in C order. Of types that JavaScript has no numbers for, their bits: `bfloat16` (and `float16`, where
   * there is no Float16Array) as a Uint16Array, `float8_*` and `bool` as a Uint8Array; complex ones as pairs of numbers.
   */
  readonly data: TypedArray;
  /** The dimensions, outermost first; empty for a single element. */
  readonly shape: readonly number[];
  /** The type of the elements. */
  readonly dtype: DType;
}

/** Arrays one after the other, for `for` and for `for await`. */
export interface ArrayStream extends Iterable<ReceivedArray>, AsyncIterable<ReceivedArray> {}

/** What is lent with all that lies in it, and given back at once. */
abstract class Lent {
  /** The tag it was written with; 0 unless the writer chose one. */
  readonly tag: number;
  readonly #loan: Loan;

  /** @internal */
  constructor(loan: Loan) {
    this.#loan = loan;
    this.tag = loan.tag;
  }

  /** Gives the message's bytes back to the writer; the data are detached then. A second time it does nothing. */
  release(): void {
    this.#loan.end();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * A received array where it lies, from {@link Reader.borrowArray}; all that {@link Borrowed} says of a message holds for
 * it. **Storing into its data ends the process.** Once released they are detached: their length is 0.
 */
export class BorrowedArray extends Lent implements ReceivedArray {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;

  /** @internal */
  constructor(loan: Loan, part: Part) {
    super(loan);
    this.data = show(loan.bytes.buffer, loan.bytes.byteOffset, part);
    this.shape = part.shape;
    this.dtype = part.type.name;
  }
}

/** Several received arrays where they lie in one message, from {@link Reader.borrowArrays}; see {@link BorrowedArray}. */
export class BorrowedArrays extends Lent {
  readonly arrays: Readonly<Record<string, ReceivedArray>>;

  /** @internal */
  constructor(loan: Loan, parts: ReadonlyMap<string, Part>) {
    super(loan);
    this.arrays = named(loan.bytes, parts);
  }
}

/** A received table whose columns lie in the ring, from {@link Reader.borrowTable}; see {@link BorrowedArray}. */
export class BorrowedTable extends Lent {
  /** A Table of `apache-arrow`. */
  // biome-ignore lint/suspicious/noExplicitAny: its type is another package's.
  readonly table: any;

  /** @internal */
  constructor(loan: Loan, table: unknown) {
    super(loan);
    this.table = table;
  }
}

/** Takes something out of the ring, if a message is there. */
export type Take<T> = (side: TakingSide) => T | undefined;

/** @internal */
export const READ = Symbol('read');
/** @internal */
export const READ_ASYNC = Symbol('readAsync');

/** What a {@link Reader} can do with arrays and tables. */
export abstract class ArrayReader extends End {
  /** @internal */
  abstract [READ]<T>(take: Take<T>, options: TimeoutOptions | undefined, call: string): T;
  /** @internal */
  abstract [READ_ASYNC]<T>(take: Take<T>, options: AsyncOptions | undefined): Promise<T>;

  /**
   * The next message as an array, in memory of its own.
   *
   * ```js
   * const { data, shape, dtype } = reader.readArray();
   * ```
   *
   * @throws {KrenError} as {@link Reader.read}; `KREN_NOT_AN_ARRAY` for a message that is something else, which stays the
   *   next one
   */
  readArray(options?: TimeoutOptions): ReceivedArray {
    return this[READ]((side) => takeArray(side, this.name), options, 'readArray()');
  }

  /**
   * The next message as an array, waiting for it without blocking the event loop.
   *
   * @throws (as a rejection) as {@link readArray} and {@link Reader.readAsync}
   */
  readArrayAsync(options?: AsyncOptions): Promise<ReceivedArray> {
    return this[READ_ASYNC]((side) => takeArray(side, this.name), options);
  }

  /**
   * Arrays as they come, until the writer has closed: `for (const { data } of reader.arrays())`, or `for await`, which
   * does not block the event loop.
   *
   * @throws {KrenError} (from the loop) as {@link readArray}, but for the end
   */
  arrays(): ArrayStream {
    return {
      [Symbol.iterator]: () => inTurn(() => this.readArray()),
      [Symbol.asyncIterator]: () => inTurnAsync((signal) => this.readArrayAsync({ signal })),
    };
  }

  /**
   * The next message as an array where it lies in the ring, without a copy. Several may be held, and released in any
   * order.
   *
   * ```js
   * {
   *   using array = reader.borrowArray();
   *   handle(array.data, array.shape);
   * } // released here; else call array.release()
   * ```
   *
   * @throws {KrenError} as {@link readArray}
   */
  borrowArray(options?: TimeoutOptions): BorrowedArray {
    const take: Take<BorrowedArray> = (side) => {
      const part = look(side, this.name, arrayIn);
      return part && new BorrowedArray(side.borrow() as Loan, part);
    };
    return this[READ](take, options, 'borrowArray()');
  }

  /**
   * The arrays of the next message by their names, in memory of their own.
   *
   * @throws {KrenError} as {@link readArray}
   */
  readArrays(options?: TimeoutOptions): Record<string, ReceivedArray> {
    return this[READ]((side) => takeArrays(side, this.name), options, 'readArrays()');
  }

  /**
   * The arrays of the next message by their names, waiting for it without blocking the event loop.
   *
   * @throws (as a rejection) as {@link readArray} and {@link Reader.readAsync}
   */
  readArraysAsync(options?: AsyncOptions): Promise<Record<string, ReceivedArray>> {
    return this[READ_ASYNC]((side) => takeArrays(side, this.name), options);
  }

  /**
   * The arrays of the next message where they lie in the ring.
   *
   * @throws {KrenError} as {@link readArray}
   */
  borrowArrays(options?: TimeoutOptions): BorrowedArrays {
    const take: Take<BorrowedArrays> = (side) => {
      const parts = look(side, this.name, arraysIn);
      return parts && new BorrowedArrays(side.borrow() as Loan, parts);
    };
    return this[READ](take, options, 'borrowArrays()');
  }

  /**
   * The next message as a Table of `apache-arrow`, in memory of its own.
   *
   * @throws {KrenError} as {@link readArray}; `KREN_NOT_AN_ARRAY` also for a damaged table
   * @throws {Error} when `apache-arrow` is not installed
   */
  // biome-ignore lint/suspicious/noExplicitAny: its type is another package's.
  readTable(options?: ArrowOptions & TimeoutOptions): any {
    const arrow = arrowOr(options?.arrow);
    return this[READ]((side) => takeTable(side, this.name, arrow), options, 'readTable()');
  }

  /**
   * The next message as a Table, waiting for it without blocking the event loop.
   *
   * @throws (as a rejection) as {@link readTable} and {@link Reader.readAsync}
   */
  // biome-ignore lint/suspicious/noExplicitAny: its type is another package's.
  async readTableAsync(options?: ArrowOptions & AsyncOptions): Promise<any> {
    const arrow = arrowOr(options?.arrow);
    return this[READ_ASYNC]((side) => takeTable(side, this.name, arrow), options);
  }

  /**
   * The next message as a Table whose columns lie in the ring, without a copy but for what Arrow itself copies.
   *
   * @throws as {@link readTable}
   */
  borrowTable(options?: ArrowOptions & TimeoutOptions): BorrowedTable {
    const arrow = arrowOr(options?.arrow);
    const take: Take<BorrowedTable> = (side) => {
      // Decoded twice, and only what describes the columns: a damaged one stays the next message.
      const at = look(side, this.name, (bytes) => {
        const from = tableIn(bytes);
        decode(arrow, bytes.subarray(from));
        return from;
      });
      if (at === undefined) return undefined;
      const loan = side.borrow() as Loan;
      return new BorrowedTable(loan, decode(arrow, loan.bytes.subarray(at)));
    };
    return this[READ](take, options, 'borrowTable()');
  }
}

function takeArray(side: TakingSide, channel: string): ReceivedArray | undefined {
  const array = look(side, channel, copyArray);
  if (array !== undefined) side.skip();
  return array;
}

function takeArrays(side: TakingSide, channel: string): Record<string, ReceivedArray> | undefined {
  const arrays = look(side, channel, (bytes) => {
    const parts = arraysIn(bytes);
    return named(own(bytes), parts);
  });
  if (arrays !== undefined) side.skip();
  return arrays;
}

function takeTable(side: TakingSide, channel: string, arrow: Arrow): object | undefined {
  const table = look(side, channel, (bytes) => decode(arrow, own(bytes).subarray(tableIn(bytes))));
  if (table !== undefined) side.skip();
  return table;
}

function copyArray(bytes: Uint8Array): ReceivedArray {
  const part = arrayIn(bytes);
  return { data: copyOf(bytes, part), shape: part.shape, dtype: part.type.name };
}

function named(bytes: Uint8Array, parts: ReadonlyMap<string, Part>): Record<string, ReceivedArray> {
  // Without a prototype, so that no name means something else.
  const arrays: Record<string, ReceivedArray> = Object.create(null);
  for (const [name, part] of parts) {
    arrays[name] = {
      data: show(bytes.buffer, bytes.byteOffset, part),
      shape: part.shape,
      dtype: part.type.name,
    };
  }
  return arrays;
}

/** A copy in memory of its own, which no other message shares. */
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** What `use` makes of the next message, if there is one; the message stays. */
function look<T>(side: TakingSide, channel: string, use: (bytes: Uint8Array) => T): T | undefined {
  try {
    return side.look(use);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw krenError(
      'KREN_NOT_AN_ARRAY',
      `a message of channel '${channel}' cannot be read as asked: it ${error.reason}; read it as what it is: an array, ` +
        'several arrays, a table, or bytes',
      channel,
    );
  }
}

/** The table of a stream. Arrow throws anything at all where it is damaged. */
function decode(arrow: Arrow, stream: Uint8Array): object {
  try {
    const table = arrow.tableFromIPC(stream);
    if (table?.schema === undefined) throw new Error('no schema');
    return table;
  } catch (error) {
    throw new Refusal(`holds no sound Arrow stream: ${(error as Error)?.message}`);
  }
}
