// Other runtimes than Node.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { PROGRAMS, project, run, tool } from './support.mjs';

const RUNTIMES = {
  Node: [process.execPath, []],
  Bun: [tool('.bin/bun'), ['run']],
  Deno: [tool('.bin/deno'), ['run', '--allow-all', '--no-prompt']],
};

/** Runs `file` with a runtime; gives its end. */
function start(runtime, file, args) {
  const [program, flags] = RUNTIMES[runtime];
  const running = spawn(program, [...flags, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [running.stdout, running.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return {
    running,
    async end() {
      const [code, signal] = await once(running, 'close');
      return { status: code ?? signal, output };
    },
  };
}

const COUNT = 20_000;

/** Messages of each length up to some thousand bytes, checked byte by byte, by every call there is. */
const TRAFFIC = {
  'writer.mjs': `
import kren from '@pawanxz/kren';
const writer = new kren.Writer(process.argv[2], 1 << 18);
const bytes = (n) => Buffer.alloc((n * 7) % 3000, n & 255);
for (let n = 0; n < ${COUNT}; n += 1) {
  if (n % 5 === 0) await writer.writeAsync(bytes(n), { timeout: 60000 });
  else if (n % 5 === 1) { const reserved = writer.reserve(bytes(n).length, { timeout: 60000 }); bytes(n).copy(reserved.data); reserved.commit(); }
  else if (n % 5 === 2) writer.writeMany([bytes(n)], { timeout: 60000 });
  else writer.write(bytes(n), { timeout: 60000, tag: n });
}
writer.close();
console.log('written');
`,
  'reader.mjs': `
import kren from '@pawanxz/kren';
const reader = await kren.connect(process.argv[2], { timeout: 60000 });
const room = Buffer.alloc(4000);
for (let n = 0; n < ${COUNT}; n += 1) {
  let message;
  if (n % 5 === 0) message = await reader.readAsync({ timeout: 60000 });
  else if (n % 5 === 1) message = room.subarray(0, reader.readInto(room, { timeout: 60000 }));
  else if (n % 5 === 2) { const borrowed = reader.borrow({ timeout: 60000 }); message = Buffer.from(borrowed.data); borrowed.release(); }
  else if (n % 5 === 3) [message] = reader.readMany(1, { timeout: 60000 });
  else message = reader.read({ timeout: 60000 });
  if (!message.equals(Buffer.alloc((n * 7) % 3000, n & 255))) throw new Error('message ' + n);
  if (n % 5 > 2 && reader.lastTag !== n) throw new Error('tag ' + n);
}
for await (const message of reader) throw new Error('one more');
reader.close();
console.log('read');
`,
};

for (const other of ['Bun', 'Deno']) {
  test(`${other}: every kind of import`, () => {
    const folder = project({
      'import.mjs': PROGRAMS.import,
      'namespace.mjs': PROGRAMS.namespace,
      'require.cjs': PROGRAMS.require,
    });
    const [program, flags] = RUNTIMES[other];
    for (const name of ['import.mjs', 'namespace.mjs', 'require.cjs']) {
      const { status, stdout, output } = run(program, [...flags, join(folder, name)], { cwd: folder });
      assert.equal(status, 0, output);
      assert.equal(stdout, 'moved\n');
    }
  });

  test(`${other}: many messages each way, to and from Node and itself`, async () => {
    const folder = project(TRAFFIC);
    for (const [from, to] of [
      [other, 'Node'],
      ['Node', other],
      [other, other],
    ]) {
      const channel = `node-tools-${process.pid}-${from}-${to}`;
      const sides = [
        start(from, join(folder, 'writer.mjs'), [channel]),
        start(to, join(folder, 'reader.mjs'), [channel]),
      ];
      const ends = await Promise.all(sides.map((side) => side.end()));
      for (const { status, output } of ends) assert.equal(status, 0, `${from} to ${to}: ${output}`);
    }
  });

  test(`${other}: however a program ends, the other side sees a close`, async () => {
    const { default: kren } = await import('../../dist/esm.mjs');
    const ends = {
      'the end of the script': '',
      'process.exit()': 'process.exit(0);',
      'process.exit(), later, while a call waits':
        'r.readAsync().catch(() => {}); setTimeout(() => process.exit(0), 50);',
      'process.exit() in an exit handler': 'process.on("exit", () => process.exit(0));',
      'an exception': 'throw new Error("on purpose");',
      'an exception, later': 'setTimeout(() => { throw new Error("on purpose"); }, 50);',
      'a rejection': 'Promise.reject(new Error("on purpose"));',
    };
    // There it leaves the handlers that come behind out, and so the one that closes.
    if (other === 'Bun') delete ends['process.exit() in an exit handler'];
    for (const [how, code] of Object.entries(ends)) {
      const channel = `node-tools-${process.pid}-end`;
      const back = new kren.Writer(`${channel}-back`, 4096);
      const folder = project({
        'main.mjs': `import kren from '@pawanxz/kren';
          const w = new kren.Writer(${JSON.stringify(channel)}, 4096);
          const r = new kren.Reader(${JSON.stringify(`${channel}-back`)});
          process.on('exit', () => w.write('last'));
          w.write('sent');
          ${how.includes('later') ? '' : 'await 0;'}
          ${code}`,
      });
      const [program, flags] = RUNTIMES[other];
      run(program, [...flags, join(folder, 'main.mjs')], { cwd: folder });
      const reader = new kren.Reader(channel);
      const states = [reader.writerState, back.readerState];
      const messages = [];
      if (states[0] === 'closed') messages.push(...[...reader].map(String));
      reader.close();
      back.close();
      // Deno runs no exit handlers after what nobody catches.
      if (other === 'Deno' && /exception|rejection/.test(how)) messages[1] ??= 'last';
      assert.deepEqual(
        { how, states, messages },
        { how, states: ['closed', 'closed'], messages: ['sent', 'last'] },
      );
    }
  });
}
