// The same from CommonJS.

import kren = require('@pawanxz/kren');

const writer: kren.Writer = new kren.Writer('name', 1024 * 1024);
writer.write('text');
const reader: kren.Reader = new kren.Reader('name');
const data: Buffer = reader.read();
const error: kren.KrenErrorCode = 'KREN_TIMED_OUT';
console.log(data.toString(), kren.errorCodes[error], kren.KrenError);

const publisher = new kren.Publisher('name', 4096, { subscribers: 4, evictAfter: 100, alignment: 64 });
publisher.write('text', { timeout: 1 });
const known: kren.KnownSubscriber | undefined = publisher.subscribers[0];
const behind: number | undefined = known?.behind;
const waited: Promise<void> = publisher.waitForSubscribers({ count: 2, timeout: 1 });
const subscriber = new kren.Subscriber('name', { start: 7, lossy: false, durable: 'log', timeout: 1 });
const next: Buffer = subscriber.read();
const position: number = subscriber.position;
const found: Promise<kren.Subscriber> = kren.subscribe('name', { start: 'oldest', durable: true });
subscriber.unsubscribe();
// @ts-expect-error A publisher has several.
publisher.readerState;
// @ts-expect-error No place to start.
new kren.Subscriber('name', { start: 'middle' });
const missed = (lost: kren.KrenError): number | undefined => lost.missed;
console.log(behind, waited, next, position, found, missed);
