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
export { type CallOptions, Client, type ClientOptions, type Reply } from './client';
export { connect } from './connect';
export { Dealer, type DealerOptions, type DealOptions } from './dealer';
export { errorCodes, KrenError, type KrenErrorCode } from './errors';
export { type ChannelInfo, type ChannelState, channels, inspect, type SideInfo } from './inspect';
export {
  type BorrowedLetter,
  Inbox,
  type InboxOptions,
  type Letter,
  type LetterNotes,
} from './inbox';
export type { Lending } from './iterate';
export type { MemberOptions } from './members';
export type { Departure, KnownSubscriber, Member, PeerState } from './native';
export type { ArrayInput, DType, TypedArray } from './payload';
export { type CountOptions, Publisher, type PublisherOptions } from './publisher';
export { Reader, type ReaderOptions } from './reader';
export type { Reserved } from './reserved';
export type { Schema } from './schema';
export { Sender, type SenderOptions } from './sender';
export { type Handler, Request, Server, type ServerOptions } from './server';
export { readable, type StreamOptions, writable } from './streams';
export { subscribe, Subscriber, type SubscriberOptions } from './subscriber';
export { type BorrowedWork, type Work, Worker, type WorkerOptions, type WorkNotes } from './worker';
export { type CloseOptions, Writer, type WriterOptions } from './writer';
