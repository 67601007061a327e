// Every name as an ES module uses it; each @ts-expect-error must be an error.

import type { Readable, Writable } from 'node:stream';
import kren, {
  type Borrowed,
  connect,
  type Departure,
  KrenError,
  type KrenErrorCode,
  type Letter,
  type Member,
  type PeerState,
  type Reader,
  type Reply,
  type Request,
  type Reserved,
  type Sender,
  type Worker as QueueWorker,
  Writer,
} from '@pawanxz/kren';

const writer: Writer = new Writer('name', 4096, {
  mode: 0o600,
  alignment: 64,
  fresh: true,
  anyOwner: false,
  strategy: 'adaptive',
  prefault: true,
  machineWide: true,
});
writer.write('text');
writer.write(Buffer.alloc(1), { timeout: 5, tag: 1 });
writer.write(new DataView(new ArrayBuffer(8)));
writer.write(new SharedArrayBuffer(8));
const hadRoom: boolean = writer.tryWrite(new Float64Array(4), { tag: 1 });
await writer.writeAsync('text', { timeout: 5, signal: new AbortController().signal, tag: 1 });
writer.flush({ timeout: 5 });
await writer.flushAsync();
const sizes: number[] = [writer.available, writer.capacity, writer.maxMessageLength, writer.alignment];
const state: PeerState = writer.readerState;

const reader: Reader = await connect(writer.name, {
  timeout: 5,
  signal: AbortSignal.timeout(5),
  prefault: true,
  machineWide: true,
  live: true,
  start: 'newest',
});
const message: Buffer = reader.read({ timeout: 5 });
const maybe: Buffer | null = reader.tryRead();
const later: Promise<Buffer> = reader.readAsync({ timeout: 5 });
for (const each of reader) each.toString();
for await (const each of reader) each.toString();
const facts: [number, number, boolean, PeerState, boolean] = [
  reader.lastTag,
  reader.available,
  reader.writerClosed,
  reader.writerState,
  reader.closed,
];
await reader.waitForWriter({ timeout: 5, signal: AbortSignal.timeout(5) });
const many: Buffer[] = reader.readMany(5, { timeout: 5 });
const length: number = reader.readInto(Buffer.alloc(5), { timeout: 5 }) + reader.readInto(new Uint8Array(5));
const written: number = writer.writeMany(['text', new Float32Array(2)], { timeout: 5, tag: 1 });
{
  using borrowed: Borrowed = reader.borrow({ timeout: 5 });
  const tag: number = borrowed.tag + borrowed.data.readUInt8(0);
  using reserved: Reserved = writer.reserve(8, { timeout: 5 });
  reserved.data.fill(tag);
  reserved.commit(4, tag);
  const copy: Buffer = borrowed.copy();
  borrowed.release();
  console.log(copy);
  reserved.abort();
}
for (const message of reader.lend({ timeout: 5 })) {
  const lent: Borrowed = message;
  lent.copy().toString();
}
for await (const { data, tag } of reader.lend({ signal: AbortSignal.timeout(5) })) data.fill(tag);
const input: Readable = kren.readable('name', { timeout: 5, highWaterMark: 4, anyOwner: true });
const output: Writable = kren.writable('name', 4096, { highWaterMark: 4, alignment: 64 });
console.log(many, length, written, reader.held, input, output);
reader.ref().unref().close();

{
  using inner = new kren.Reader('name', { timeout: 5 });
  await using other = new kren.Reader('name');
  inner.read();
  other.read();
}

try {
  reader.read();
} catch (error) {
  if (error instanceof KrenError && error.code === 'KREN_PEER_DIED') {
    const code: KrenErrorCode = error.code;
    const number: number = error.number + kren.errorCodes[code];
    console.log(number, error.channel);
  }
}

const inbox = new kren.Inbox('name', 4096, {
  senders: 4,
  onDeparture: ({ number, pid, died }: Departure) => console.log(number, pid, died),
});
const sender: Sender = new kren.Sender('name', { capacity: 4096 });
sender.write('text', { tag: 1 });
const letter: Letter = await inbox.readAsync({ timeout: 5 });
const from: Member | undefined = inbox.lastSender;
for await (const { data, sender } of inbox.lend()) console.log(data, sender.pid);
console.log(
  letter.sender.number,
  letter.tag,
  letter.toString(),
  from,
  inbox.senders,
  inbox.isRemoved,
  sender.number,
);

const dealer = new kren.Dealer('name', 4096, { workers: 2 });
dealer.write('text', { key: 'one', tag: 1, timeout: 5 });
await dealer.writeArrayAsync(new Float32Array(2), { key: 'one' });
const worker: QueueWorker = new kren.Worker('name', { ahead: 1 });
for await (const work of worker) console.log(work.redelivered, work.tag, work.length);
const taken = await worker.borrowAsync({ timeout: 5 });
console.log(taken.redelivered, taken.data.length, worker.dealerState, dealer.workers);
worker.done();

const server = new kren.Server('name', { standby: 5 });
server
  .method('sync', (request: Request) => request.data)
  .method('async', async () => 'text')
  .method('none', (request) => request.fail(1, 'text'))
  .method('many', async function* () {
    yield 'text';
  });
await server.serve({ signal: AbortSignal.timeout(5) });
for await (const request of server) {
  request.item('text', { tag: 1 });
  request.end();
}
const client = new kren.Client('name');
const answer: Reply = await client.call('text', { method: 'sync', timeout: 5, tag: 1, retry: true });
for await (const reply of client.stream('text')) console.log(reply.tag, answer);

// @ts-expect-error: a key is for a dealer
writer.write('text', { key: 'one' });
// @ts-expect-error: a number is no answer
server.method('number', () => 5);
// @ts-expect-error: a number is no data
writer.write(5);
// @ts-expect-error: no such strategy
new Writer('name', 4096, { strategy: 'lazy' });
// @ts-expect-error: made by borrow() alone
new kren.Borrowed();
// @ts-expect-error: a number is no message
writer.writeMany([5]);
// @ts-expect-error: text would be taken apart
writer.writeMany('text');
// @ts-expect-error: a Buffer is one message
writer.writeMany(Buffer.alloc(3));
writer.writeMany(new Set(['text']));
// @ts-expect-error: the capacity is missing
new Writer('name');
// @ts-expect-error: a property to read
reader.name = 'other';
// @ts-expect-error: tryRead may give null
reader.tryRead().length;

writer.close({ discard: true });
// @ts-expect-error: no such place
new kren.Reader('name', { start: 'last' });

console.log(hadRoom, sizes, state, message, maybe, later, facts);
