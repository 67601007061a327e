// Writing arrays and tables.

import type { AsyncOptions, TagOptions, TimeoutOptions } from './arguments';
import { type Arrow, arrowOr } from './arrow';
import { End } from './end';
import {
  type ArrayInput,
  arrayMessage,
  arraysMessage,
  type DType,
  type Message,
  tableMessage,
} from './payload';

/** What an array is, beside its elements. */
export interface ArrayOptions {
  /** The dimensions, outermost first. Default: one. */
  shape?: readonly number[] | undefined;
  /** The elements' type, where their class does not tell: `bfloat16`, `bool`, `complex64`... */
  dtype?: DType | undefined;
}

export interface ArrowOptions {
  /**
   * The module `apache-arrow`, for programs that load it with `import`, or are bundled: `import * as arrow from
   * 'apache-arrow'`. Default: what `require('apache-arrow')` gives.
   */
  arrow?: Arrow | undefined;
}

/** @internal */
export const SEND = Symbol('send');
/** @internal */
export const SEND_ASYNC = Symbol('sendAsync');

/** What a {@link Writer} can do with arrays and tables. */
export abstract class ArrayWriter<O extends TagOptions = TagOptions> extends End {
  /** @internal */
  abstract [SEND](message: Message, options: (TimeoutOptions & O) | undefined, call: string): void;
  /** @internal */
  abstract [SEND_ASYNC](message: Message, options: (AsyncOptions & O) | undefined): Promise<void>;

  /**
   * Writes an array, which every language reads as one; its elements are copied once. Create the channel with
   * `alignment: 64`, and they are aligned for vector instructions.
   *
   * ```js
   * writer.writeArray(new Float32Array([1, 2, 3, 4, 5, 6]), { shape: [2, 3] });
   * ```
   *
   * @throws {KrenError} as {@link Writer.write}
   * @throws {RangeError} when the shape is not that of the data
   * @throws {TypeError} when `data` is no typed array
   */
  writeArray(data: ArrayBufferView, options?: ArrayOptions & TimeoutOptions & O): void {
    this[SEND](arrayMessage({ data, shape: options?.shape, dtype: options?.dtype }), options, 'writeArray()');
  }

  /**
   * Writes an array, waiting for room without blocking the event loop. Leave `data` as it is until the promise is
   * settled.
   *
   * @throws (as a rejection) as {@link Writer.writeAsync} and {@link writeArray}
   */
  async writeArrayAsync(data: ArrayBufferView, options?: ArrayOptions & AsyncOptions & O): Promise<void> {
    await this[SEND_ASYNC](arrayMessage({ data, shape: options?.shape, dtype: options?.dtype }), options);
  }

  /**
   * Writes several named arrays as one message; their elements are copied once.
   *
   * ```js
   * writer.writeArrays({ image: { data: pixels, shape: [480, 640] }, boxes: new Float32Array(4) });
   * ```
   *
   * @throws as {@link writeArray}; {@link RangeError} for a name that has not 1 to 48 bytes
   */
  writeArrays(
    arrays: Readonly<Record<string, ArrayInput | ArrayBufferView>>,
    options?: TimeoutOptions & O,
  ): void {
    this[SEND](arraysMessage(arrays), options, 'writeArrays()');
  }

  /**
   * Writes a Table or a RecordBatch of the package `apache-arrow`, or a Uint8Array with an Arrow IPC stream.
   *
   * @throws {KrenError} as {@link Writer.write}
   * @throws {TypeError} when `table` is none of these
   * @throws {Error} when `apache-arrow` is not installed
   */
  writeTable(table: unknown, options?: ArrowOptions & TimeoutOptions & O): void {
    this[SEND](tableMessage(streamOf(table, options?.arrow)), options, 'writeTable()');
  }
}

function streamOf(table: unknown, given: Arrow | undefined): Uint8Array {
  if (table instanceof Uint8Array) return table;
  const arrow = arrowOr(given);
  const { schema, batches } = (table ?? {}) as { schema?: unknown; batches?: unknown };
  if (schema === undefined) {
    throw new TypeError(
      'a table is written from a Table or a RecordBatch of apache-arrow, or from a Uint8Array with an Arrow IPC stream; ' +
        'writeArray() takes arrays',
    );
  }
  // Given a batch by itself, Arrow writes nothing at all.
  return arrow.tableToIPC(batches === undefined ? [table] : table, 'stream');
}
