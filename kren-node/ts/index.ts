/**
 * Messages between processes of one machine, in any pair of Node.js, Python and Rust, through shared memory.
 *
 * @packageDocumentation
 */

export type { AsyncOptions, Data, Strategy, TagOptions, TimeoutOptions } from './arguments';
export type { Borrowed } from './borrowed';
export { connect } from './connect';
export { errorCodes, KrenError, type KrenErrorCode } from './errors';
export type { PeerState } from './native';
export { Reader, type ReaderOptions } from './reader';
export type { Reserved } from './reserved';
export { readable, type StreamOptions, writable } from './streams';
export { Writer, type WriterOptions } from './writer';
