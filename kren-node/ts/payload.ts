// The bytes of arrays and tables in messages: docs/spec/payloads.md, P1 to P5.

/** The type of an array's elements, by the name that every language uses. */
export type DType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'bfloat16'
  | 'complex64'
  | 'complex128'
  | 'bool'
  | 'float8_e3m4'
  | 'float8_e4m3'
  | 'float8_e4m3b11fnuz'
  | 'float8_e4m3fn'
  | 'float8_e4m3fnuz'
  | 'float8_e5m2'
  | 'float8_e5m2fnuz'
  | 'float8_e8m0fnu';

/** What shows an array's data. Float16Array is not among them, since few runtimes have it: there it is one of that. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

interface ViewClass {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, at: number, length: number): TypedArray;
  new (elements: TypedArray): TypedArray;
}

interface ElementType {
  readonly name: DType;
  readonly code: number;
  readonly bits: number;
  /** Bytes of an element. */
  readonly size: number;
  /** What JavaScript looks at it with: numbers, pairs of them, or their bits. */
  readonly View: ViewClass;
}

/** Node 24 and later have it. */
const Half = (globalThis as unknown as { Float16Array?: ViewClass }).Float16Array ?? Uint16Array;

const types = new Map<DType, ElementType>();
const byCode = new Map<number, ElementType>();
/** What elements of a typed array are, unless its user says something else. */
const byView = new Map<string, ElementType>();

function add(name: DType, code: number, bits: number, View: ViewClass): void {
  const type = { name, code, bits, size: bits / 8, View };
  types.set(name, type);
  byCode.set(code * 256 + bits, type);
}

add('int8', 0, 8, Int8Array);
add('int16', 0, 16, Int16Array);
add('int32', 0, 32, Int32Array);
add('int64', 0, 64, BigInt64Array);
add('uint8', 1, 8, Uint8Array);
add('uint16', 1, 16, Uint16Array);
add('uint32', 1, 32, Uint32Array);
add('uint64', 1, 64, BigUint64Array);
add('float16', 2, 16, Half);
add('float32', 2, 32, Float32Array);
add('float64', 2, 64, Float64Array);
for (const type of types.values()) byView.set(type.View.name, type);
// Where there is no Float16Array its class is that of plain numbers.
byView.set('Uint16Array', types.get('uint16') as ElementType);
byView.set('Uint8ClampedArray', types.get('uint8') as ElementType);
add('bfloat16', 4, 16, Uint16Array);
add('complex64', 5, 64, Float32Array);
add('complex128', 5, 128, Float64Array);
add('bool', 6, 8, Uint8Array);
add('float8_e3m4', 7, 8, Uint8Array);
add('float8_e4m3', 8, 8, Uint8Array);
add('float8_e4m3b11fnuz', 9, 8, Uint8Array);
add('float8_e4m3fn', 10, 8, Uint8Array);
add('float8_e4m3fnuz', 11, 8, Uint8Array);
add('float8_e5m2', 12, 8, Uint8Array);
add('float8_e5m2fnuz', 13, 8, Uint8Array);
add('float8_e8m0fnu', 14, 8, Uint8Array);

/** @internal */
export function isDType(name: unknown): name is DType {
  return types.has(name as DType);
}

/** Bytes of a header, of which an array of more than `SHORT` dimensions has two; and of a directory's entry. */
export const HEADER = 64;
const SHORT = 5;
const MAX_DIMS = 13;
const MAX_PARTS = 1024;
/** Where the shape begins in a header, and the name in an entry. */
const SHAPE = 24;
const NAME = 16;
const MAX_NAME = 48;
/** P3: what dimensions times the size of an element must not reach. */
const LENGTH_END = 2 ** 53;

const ARRAY = 1;
const TABLE = 2;
const ARRAYS = 3;
const KINDS = ['', 'an array', 'a table', 'several arrays'];

/** An array in the bytes of a message. */
export interface Part {
  readonly type: ElementType;
  readonly shape: number[];
  /** Where its data lie in those bytes. */
  readonly at: number;
  readonly length: number;
}

/** Why a message is not what it is read as; its text follows "it ...". */
export class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

function word(bytes: Uint8Array, at: number): number {
  const b = bytes;
  return (
    ((b[at] as number) |
      ((b[at + 1] as number) << 8) |
      ((b[at + 2] as number) << 16) |
      ((b[at + 3] as number) << 24)) >>>
    0
  );
}

/** 64 bits as a number: exact below 2^53, and no less than that for what is not. */
function long(bytes: Uint8Array, at: number): number {
  const high = word(bytes, at + 4);
  // So that small ones stay integers to V8.
  return high === 0 ? word(bytes, at) : high * 0x1_0000_0000 + word(bytes, at);
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function putLong(bytes: Uint8Array, at: number, value: number): void {
  putWord(bytes, at, value % 0x1_0000_0000);
  putWord(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

/** P2; NaN where P3 is broken. */
function dataLength(size: number, shape: readonly number[]): number {
  let product = size;
  let isEmpty = false;
  for (const dim of shape) {
    if (dim === 0) isEmpty = true;
    else product *= dim;
    if (!(product < LENGTH_END)) return Number.NaN;
  }
  return isEmpty ? 0 : product;
}

/** P1 for the message that is `length` bytes of `bytes` from `at` on, and that it is of this kind; gives its header's length. */
function headerOf(bytes: Uint8Array, at: number, length: number, kind: number): number {
  if (length < HEADER) refuse(`has ${length} bytes, and its header alone would have ${HEADER}`);
  if (bytes[at] !== 0x4b || bytes[at + 1] !== 0x52 || bytes[at + 2] !== 0x50)
    refuse('was written as plain bytes');
  if (bytes[at + 3] !== 1) {
    refuse(`has a header of version ${bytes[at + 3]}, and this build knows version 1`);
  }
  const found = bytes[at + 4] as number;
  if (found !== kind) {
    refuse(`is ${KINDS[found] || `of kind ${found}, which this build does not know`}`);
  }
  const header = (bytes[at + 5] as number) * HEADER;
  const data = long(bytes, at + 16);
  if (header === 0 || header + data !== length) {
    refuse(`has ${length} bytes, and its header speaks of ${header} and ${data} behind them`);
  }
  return header;
}

/** The array in the message that is `length` bytes of `bytes` from `at` on. */
export function arrayIn(bytes: Uint8Array, at = 0, length = bytes.length): Part {
  const header = headerOf(bytes, at, length, ARRAY);
  const ndim = bytes[at + 6] as number;
  const code = bytes[at + 8] as number;
  const bits = bytes[at + 9] as number;
  const type = byCode.get(code * 256 + bits);
  if (type === undefined || bytes[at + 10] !== 1 || bytes[at + 11] !== 0) {
    refuse(`has elements of code ${code} and ${bits} bits, which this build does not know`);
  }
  if (ndim > MAX_DIMS || header !== (ndim <= SHORT ? HEADER : 2 * HEADER)) {
    refuse(`has ${ndim} dimensions in a header of ${header} bytes`);
  }
  const shape: number[] = [];
  for (let i = 0; i < ndim; i += 1) {
    const place = at + SHAPE + 8 * i;
    if ((bytes[place + 7] as number) > 127) refuse('has a negative dimension');
    shape.push(long(bytes, place));
  }
  const data = length - header;
  const expected = dataLength(type.size, shape);
  if (expected !== data) {
    refuse(
      Number.isNaN(expected)
        ? `has an impossible shape, [${shape}]`
        : `has ${data} bytes of data, and ${type.name} of shape [${shape}] takes ${expected}`,
    );
  }
  return { type, shape, at: at + header, length: data };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The arrays in a message of several. */
export function arraysIn(bytes: Uint8Array): Map<string, Part> {
  const header = headerOf(bytes, 0, bytes.length, ARRAYS);
  if (header !== HEADER) refuse(`is several arrays with a header of ${header} bytes`);
  const count = word(bytes, 12);
  const first = HEADER * (count + 1);
  if (count > MAX_PARTS || first > bytes.length) {
    refuse(`has a directory of ${count} arrays that it has no room for`);
  }
  const parts = new Map<string, Part>();
  for (let i = 1; i <= count; i += 1) {
    const entry = bytes.subarray(HEADER * i, HEADER * (i + 1));
    const name = nameIn(entry);
    if (parts.has(name)) refuse(`has two arrays called '${name}'`);
    const at = long(entry, 0);
    const length = long(entry, 8);
    if (at < first || at % HEADER !== 0 || at + length > bytes.length) {
      refuse(`says that '${name}' lies outside of it`);
    }
    try {
      parts.set(name, arrayIn(bytes, at, length));
    } catch (error) {
      if (error instanceof Refusal) refuse(`holds '${name}', of which KREN says: it ${error.reason}`);
      throw error;
    }
  }
  return parts;
}

function nameIn(entry: Uint8Array): string {
  const field = entry.subarray(NAME);
  const end = field.indexOf(0);
  let name = '';
  try {
    name = decoder.decode(end < 0 ? field : field.subarray(0, end));
  } catch {
    // Refused below.
  }
  return name === '' ? refuse('has an array whose name is none') : name;
}

/** Where in a table's message its Arrow stream begins. */
export function tableIn(bytes: Uint8Array): number {
  const header = headerOf(bytes, 0, bytes.length, TABLE);
  if (header !== HEADER) refuse(`is a table with a header of ${header} bytes`);
  return header;
}

/** `part` of the bytes at `at` in `buffer`, as JavaScript looks at it. */
export function show(buffer: ArrayBufferLike, at: number, part: Part): TypedArray {
  const { View } = part.type;
  return new View(buffer, at + part.at, part.length / View.BYTES_PER_ELEMENT);
}

/** The same in memory of its own. */
export function copyOf(bytes: Uint8Array, part: Part): TypedArray {
  const { View } = part.type;
  const at = bytes.byteOffset + part.at;
  // Elements copied as what they are take a fifth of the time of bytes that become elements afterwards.
  if (at % View.BYTES_PER_ELEMENT === 0) {
    return new View(new View(bytes.buffer, at, part.length / View.BYTES_PER_ELEMENT));
  }
  const own = new Uint8Array(bytes.subarray(part.at, part.at + part.length));
  return show(own.buffer, 0, { ...part, at: 0 });
}

/** An array to be written: typed elements, or with more to say of them. */
export interface ArrayInput {
  /** The elements in C order (the last dimension runs fastest): a typed array, or bytes with a `dtype`. */
  readonly data: ArrayBufferView;
  /** The dimensions, outermost first. Default: one. */
  readonly shape?: readonly number[] | undefined;
  /** The elements' type, where their class does not tell: `bfloat16`, `bool`, `complex64`... */
  readonly dtype?: DType | undefined;
}

/** A message in pieces that follow each other. */
export interface Message {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

interface Described {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

function describe(input: ArrayInput): Described {
  const { data, dtype } = input;
  if (!ArrayBuffer.isView(data)) {
    throw new TypeError('an array is written from a typed array, or from bytes and a dtype');
  }
  // Also of another realm.
  const found = byView.get((data as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag]);
  const type = dtype === undefined ? found : types.get(dtype);
  if (type === undefined) {
    throw new TypeError(
      dtype === undefined
        ? 'say what the elements are: { dtype }'
        : `'${dtype}' is no type of elements; there are: ${[...types.keys()].join(', ')}`,
    );
  }
  if (dtype !== undefined && found !== undefined && found.View !== type.View && found.name !== 'uint8') {
    throw new TypeError(
      `elements of ${dtype} are given as a ${type.View.name} or as bytes, not as ${found.name}`,
    );
  }
  const bytes =
    data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length % type.size !== 0) {
    throw new RangeError(
      `${bytes.length} bytes are no whole number of ${type.name}, which take ${type.size} each`,
    );
  }
  const shape = input.shape ?? [bytes.length / type.size];
  if (!Array.isArray(shape) || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw new RangeError('a shape is an array of whole numbers, 0 or more');
  }
  if (shape.length > MAX_DIMS)
    throw new RangeError(`an array has ${MAX_DIMS} dimensions at most, not ${shape.length}`);
  if (dataLength(type.size, shape) !== bytes.length) {
    throw new RangeError(
      `${bytes.length} bytes are not an array of ${type.name} and shape [${shape}], which would have ` +
        `${dataLength(type.size, shape)}`,
    );
  }
  return { type, shape, bytes };
}

function putFirst(header: Uint8Array, kind: number, length: number, data: number): void {
  header[0] = 0x4b;
  header[1] = 0x52;
  header[2] = 0x50;
  header[3] = 1;
  header[4] = kind;
  header[5] = length / HEADER;
  putLong(header, 16, data);
}

/** The last one that was made: what a stream carries is mostly alike. */
let made: { type: ElementType; shape: readonly number[]; length: number; header: Uint8Array } | undefined;

/** Nobody changes it, since the next message may have it too. */
function arrayHeader(array: Described): Uint8Array {
  const { type, shape, bytes } = array;
  if (made?.type !== type || made.length !== bytes.length || !isSame(made.shape, shape)) {
    made = { type, shape: [...shape], length: bytes.length, header: newHeader(array) };
  }
  return made.header;
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i += 1) if (one[i] !== other[i]) return false;
  return true;
}

function newHeader({ type, shape, bytes }: Described): Uint8Array {
  const header = new Uint8Array(shape.length <= SHORT ? HEADER : 2 * HEADER);
  putFirst(header, ARRAY, header.length, bytes.length);
  header[6] = shape.length;
  header[8] = type.code;
  header[9] = type.bits;
  header[10] = 1;
  let at = SHAPE;
  for (const dim of shape) {
    putLong(header, at, dim);
    at += 8;
  }
  return header;
}

/** The message of an array. */
export function arrayMessage(input: ArrayInput): Message {
  const described = describe(input);
  const header = arrayHeader(described);
  return { pieces: [header, described.bytes], length: header.length + described.bytes.length };
}

/** The message of several arrays. */
export function arraysMessage(inputs: Readonly<Record<string, ArrayInput | ArrayBufferView>>): Message {
  const named = Object.entries(inputs);
  if (named.length > MAX_PARTS) throw new RangeError(`one message has room for ${MAX_PARTS} arrays`);
  const front = new Uint8Array(HEADER * (named.length + 1));
  const pieces: Uint8Array[] = [front];
  let end = front.length;
  named.forEach(([name, input], i) => {
    const text = new TextEncoder().encode(name);
    if (text.length === 0 || text.length > MAX_NAME || text.includes(0)) {
      throw new RangeError(
        `the name of an array has 1 to ${MAX_NAME} bytes, none of them 0; not ${JSON.stringify(name)}`,
      );
    }
    const described = describe(ArrayBuffer.isView(input) ? { data: input } : input);
    const header = arrayHeader(described);
    const gap = -end & (HEADER - 1);
    if (gap > 0) pieces.push(new Uint8Array(gap));
    pieces.push(header, described.bytes);
    const entry = front.subarray(HEADER * (i + 1));
    putLong(entry, 0, end + gap);
    putLong(entry, 8, header.length + described.bytes.length);
    entry.set(text, NAME);
    end += gap + header.length + described.bytes.length;
  });
  putFirst(front, ARRAYS, HEADER, end - HEADER);
  putWord(front, 12, named.length);
  return { pieces, length: end };
}

/** The message of a table, of its Arrow stream. */
export function tableMessage(stream: Uint8Array): Message {
  const header = new Uint8Array(HEADER);
  putFirst(header, TABLE, HEADER, stream.length);
  return { pieces: [header, stream], length: HEADER + stream.length };
}
