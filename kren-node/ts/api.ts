// All that users get. index.ts hands it out to `require`, esm.mts to `import`.

export type { AsyncOptions, Data, Strategy, TagOptions, TimeoutOptions } from './arguments';
export type {
  ArrayStream,
  BorrowedArray,
  BorrowedArrays,
  BorrowedTable,
  ReceivedArray,
} from './array-reader';
export type { ArrayOptions, ArrowOptions } from './array-writer';
export type { Arrow } from './arrow';
export type { Borrowed } from './borrowed';
export { connect } from './connect';
export { errorCodes, KrenError, type KrenErrorCode } from './errors';
export { type ChannelInfo, type ChannelState, channels, inspect, type SideInfo } from './inspect';
export type { Lending } from './iterate';
export type { KnownSubscriber, PeerState } from './native';
export type { ArrayInput, DType, TypedArray } from './payload';
export { type CountOptions, Publisher, type PublisherOptions } from './publisher';
export { Reader, type ReaderOptions } from './reader';
export type { Reserved } from './reserved';
export type { Schema } from './schema';
export { readable, type StreamOptions, writable } from './streams';
export { subscribe, Subscriber, type SubscriberOptions } from './subscriber';
export { type CloseOptions, Writer, type WriterOptions } from './writer';
