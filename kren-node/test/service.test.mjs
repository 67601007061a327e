// Calls and their answers, and what becomes of them when a side dies (P11 to P13).

import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, it } from 'node:test';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  leaving,
} from './support/index.mjs';

const PATIENCE = 30_000;

/** Serves by methods until it is killed or told to stop. */
const SERVE = `
const stop = new AbortController();
process.stdin.on('data', () => stop.abort()).unref();
const server = new kren.Server(name, { standby: process.argv.includes('standby') ? 30000 : undefined });
server
  .method('', (request) => request.data)
  .method('louder', async (request) => String(request.data).toUpperCase())
  .method('count', async function* (request) {
    for (let at = 0; at < request.data[0]; at += 1) yield Buffer.from([at]);
  })
  .method('tagged', (request) => request.reply(request.data, { tag: request.tag }))
  .method('refuse', (request) => request.fail(42, 'no such thing'))
  .method('throw', () => { throw new RangeError('too far'); })
  .method('nothing', () => {})
  .method('hang', () => new Promise(() => {}))
  .method('late', (request) => new Promise((resolve) => setTimeout(() => resolve('late'), Number(request.data))));
say('serving');
server.serve({ signal: stop.signal }).then(() => { server.close(); say('stopped'); });
`;

/** Takes requests and never answers. */
const HANG = `
const server = new kren.Server(name);
say('serving');
(async () => { const held = []; for await (const request of server) { held.push(request); say('got ' + held.length); } })();
`;

const CALL = (count) => `
(async () => {
  const client = new kren.Client(name);
  for (let at = 0; at < ${count}; at += 1) {
    const body = Buffer.alloc(1 + (at * 7919) % 6000, at);
    const reply = await client.call(body, { timeout: ${PATIENCE} });
    if (!reply.equals(body)) throw new Error('reply ' + at);
  }
  client.close();
  say('done');
})();
`;

async function serving(t, name, code = SERVE) {
  leaving(t, name); // it is killed
  const server = child(t, name, code);
  assert.equal(await server.line(), 'serving');
  return server;
}

const all = async (replies) => {
  const list = [];
  for await (const reply of replies) list.push(reply);
  return list;
};

describe('service', () => {
  it('P11: each call gets its answer, whoever else calls, in whatever order', async (t) => {
    const name = channelName();
    const server = await serving(t, name);
    const others = [child(t, name, CALL(300)), child(t, name, CALL(300))];
    const client = closing(t, new kren.Client(name));
    assert.equal(client.serverState, 'attached');
    for (let at = 0; at < 200; at += 1) {
      const reply = await client.call(`call ${at}`, { method: 'louder', timeout: PATIENCE });
      assert.equal(String(reply), `CALL ${at}`);
    }
    const order = [];
    const late = [1000, 500, 0].map((ms) =>
      client.call(String(ms), { method: 'late', timeout: PATIENCE }).then(() => order.push(ms)),
    );
    await Promise.all(late);
    assert.deepEqual(order, [0, 500, 1000]);
    const many = Array.from({ length: 500 }, (_, at) => {
      const body = Buffer.alloc(1 + ((at * 7919) % 9000), at);
      return client.call(body, { timeout: PATIENCE }).then((reply) => assert.ok(reply.equals(body)));
    });
    assert.equal(client.pending, 500);
    await Promise.all(many);
    assert.equal(client.pending, 0);
    assert.equal(client.late, 0);
    await Promise.all(others.map(assertFine));
    client.close();
    server.stdin.write('stop');
    assert.equal(await server.line(), 'stopped');
    await assertFine(server);
    assertGone(name);
  });

  it('P11: several answers, tags, failures, and methods that are not there', async (t) => {
    const name = channelName();
    await serving(t, name);
    const client = closing(t, new kren.Client(name));
    const with_ = (method) => ({ method, timeout: PATIENCE });
    const items = await all(client.stream(Buffer.from([5]), with_('count')));
    assert.deepEqual(
      items.map((item) => item[0]),
      [0, 1, 2, 3, 4],
    );
    assert.deepEqual(await all(client.stream(Buffer.from([0]), with_('count'))), []);
    assert.deepEqual((await all(client.stream('one', with_('louder')))).map(String), ['ONE']);
    const first = await client.call(Buffer.from([9]), with_('count'));
    assert.equal(first[0], 0);
    const tagged = await client.call('x', { ...with_('tagged'), tag: 7 });
    assert.deepEqual([String(tagged), tagged.tag], ['x', 7]);
    assert.equal((await client.call('x', with_('nothing'))).length, 0);
    const failure = (code, text) => (error) => {
      assert.ok(krenError('KREN_REMOTE', name)(error));
      assert.equal(error.remoteCode, code);
      assert.match(error.remoteText, text);
      return true;
    };
    await assert.rejects(client.call('x', with_('refuse')), failure(42, /^no such thing$/));
    await assert.rejects(client.call('x', with_('throw')), failure(2 ** 32 - 3, /^RangeError: too far$/));
    await assert.rejects(client.call('x', with_('absent')), failure(2 ** 32 - 2, /'absent'.*'louder'/));
    await assert.rejects(client.call('x', { method: 1 }), TypeError);
    await assert.rejects(client.call('x', { tag: -1 }), { code: 'KREN_INVALID_OPTION' });
    await assert.rejects(client.call(Buffer.alloc(2 ** 21)), krenError('KREN_TOO_LARGE', name));
    // A stream that is left is given up, and what it was still sent is not taken for another's.
    for await (const item of client.stream(Buffer.from([200]), with_('count'))) {
      assert.equal(item[0], 0);
      break;
    }
    assert.equal(String(await client.call('after', with_('louder'))), 'AFTER');
  });

  it('P12: calls that cannot be answered end', async (t) => {
    const name = channelName();
    const client = closing(t, new kren.Client(name));
    await assert.rejects(client.call('x'), krenError('KREN_NO_SERVER', name));
    const server = await serving(t, name, HANG);
    await assert.rejects(client.call('x', { timeout: 30 }), krenError('KREN_TIMED_OUT', name, /answer/));
    const giveUp = new AbortController();
    const aborted = client.call('x', { signal: giveUp.signal });
    giveUp.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(client.call('x', { signal: AbortSignal.abort(new Error('before')) }), /before/);
    const lost = [client.call('y'), client.call('z'), all(client.stream('s'))];
    const refused = lost.map((call) => assert.rejects(call, krenError('KREN_SERVER_DIED', name)));
    for (const said of ['got 1', 'got 2', 'got 3', 'got 4', 'got 5']) assert.equal(await server.line(), said);
    await server.kill();
    await Promise.all(refused);
    await assert.rejects(client.call('x'), krenError('KREN_NO_SERVER', name));
    await serving(t, name);
    assert.equal(String(await client.call('same', { timeout: PATIENCE })), 'same');
    const open = client.call('x', { method: 'hang' });
    client.close();
    await assert.rejects(open, krenError('KREN_CLOSED', name));
    await assert.rejects(client.call('x'), krenError('KREN_CLOSED', name));
  });

  it('P13: a server that stands by takes over, and does again what may be', async (t) => {
    const name = channelName();
    const first = await serving(t, name, HANG);
    const second = child(
      t,
      name,
      SERVE.replace("process.argv.includes('standby') ? 30000 : undefined", 'true'),
    );
    const client = closing(t, new kren.Client(name));
    const calls = [
      client.call('one', { retry: true, timeout: PATIENCE }),
      client.call('two', { timeout: PATIENCE }),
      client.call('three', { retry: true, timeout: PATIENCE }),
    ];
    const refused = assert.rejects(calls[1], krenError('KREN_SERVER_DIED', name));
    for (const said of ['got 1', 'got 2', 'got 3']) assert.equal(await first.line(), said);
    await first.kill();
    assert.equal(await second.line(), 'serving');
    assert.equal(String(await calls[0]), 'one');
    await refused;
    assert.equal(String(await calls[2]), 'three');
    assert.equal(String(await client.call('and on', { timeout: PATIENCE })), 'and on');
  });

  it('P12: a client that is killed, or reads nothing, holds up nobody else', async (t) => {
    const name = channelName();
    await serving(t, name);
    const hung = child(
      t,
      name,
      `const client = new kren.Client(name);
       for (let at = 0; at < 2000; at += 1) client.call(Buffer.alloc(2000), { timeout: ${PATIENCE} }).catch(() => {});
       say('asked');
       for (;;);`,
    );
    assert.equal(await hung.line(), 'asked');
    const client = closing(t, new kren.Client(name));
    for (let at = 0; at < 100; at += 1)
      assert.equal(String(await client.call('x', { timeout: PATIENCE })), 'x');
    await hung.kill();
    for (let at = 0; at < 100; at += 1)
      assert.equal(String(await client.call('x', { timeout: PATIENCE })), 'x');
  });

  it('a server in its own hands: what a request tells, and how it is answered', async (t) => {
    const name = channelName();
    const server = closing(t, new kren.Server(name));
    const client = closing(t, new kren.Client(name));
    assert.equal(server.tryNext(), null);
    assert.throws(() => server.nextSync({ timeout: 5 }), krenError('KREN_TIMED_OUT', name));
    await assert.rejects(server.next({ timeout: 5 }), krenError('KREN_TIMED_OUT', name));
    assert.throws(() => new kren.Server(name), krenError('KREN_WRITER_EXISTS', name));
    const call = client.call('question', { tag: 5, timeout: PATIENCE, method: 'wh\u00e4t' });
    const request = await server.next({ timeout: PATIENCE });
    assert.deepEqual([String(request.data), request.tag, request.method], ['question', 5, 'wh\u00e4t']);
    assert.deepEqual(request.client, server.clients[0]);
    assert.equal(request.client.pid, process.pid);
    assert.ok(request.timeLeft <= PATIENCE && request.timeLeft > 0);
    assert.deepEqual([request.cancelled, request.answered], [false, false]);
    request.reply('answer', { tag: 6 });
    const reply = await call;
    assert.deepEqual([String(reply), reply.tag, request.answered], ['answer', 6, true]);
    assert.throws(() => request.reply('again'), krenError('KREN_CLOSED', name));
    assert.throws(() => request.fail(-1, ''), RangeError);

    const giveUp = new AbortController();
    const given = all(client.stream('s', { signal: giveUp.signal }));
    const stream = server.nextSync({ timeout: PATIENCE });
    assert.equal(stream.timeLeft, undefined);
    stream.item('first');
    giveUp.abort(new Error('enough'));
    await assert.rejects(given, /enough/);
    assert.equal(server.tryNext(), null);
    assert.equal(stream.cancelled, true);
    assert.throws(() => stream.item('second'), krenError('KREN_CANCELLED', name));
    stream.end();

    const unanswered = client.call('x', { timeout: PATIENCE });
    await server.next();
    server.close();
    await assert.rejects(unanswered, krenError('KREN_REMOTE', name));
    assert.throws(() => server.method('x'), TypeError);
    await server.serve();
    assert.equal(client.isRemoved, false);
  });

  it('lets the process end: a client that waits when it is told to, a server that stops', async (t) => {
    const name = channelName();
    await serving(t, name);
    const waiting = child(
      t,
      name,
      `new kren.Client(name).unref().call('x', { method: 'hang' }); say('ready');`,
    );
    await assertFine(waiting);
    const exiting = child(t, name, `new kren.Client(name).call('x').then(() => process.exit(0));`);
    await assertFine(exiting);
  });
});
