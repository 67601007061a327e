// Looks at the page in headless Chromium while the Python processes are killed. Needs CHROMIUM, PYTHON in the environment.
//
// SCREENSHOT: a file for a picture of the page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Milliseconds for what takes one or two seconds. */
const PATIENCE = 60_000;

/** Chromium with one page, driven through a pipe: https://chromedevtools.github.io/devtools-protocol/ */
async function browse(t, url) {
  const profile = mkdtempSync(join(tmpdir(), 'kren-chromium-'));
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
  ];
  const browser = spawn(
    process.env.CHROMIUM ?? 'chromium',
    [...flags, '--window-size=1000,980', '--remote-debugging-pipe', `--user-data-dir=${profile}`],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  t.after(async () => {
    browser.kill('SIGKILL');
    await new Promise((resolve) => browser.on('close', resolve));
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
  });
  const waiting = new Map();
  let text = '';
  browser.stdio[4].setEncoding('utf8').on('data', (part) => {
    const messages = (text + part).split('\0');
    text = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    }
  });
  let calls = 0;
  const call = (method, params = {}, sessionId = undefined) => {
    calls += 1;
    browser.stdio[3].write(`${JSON.stringify({ id: calls, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => waiting.set(calls, { resolve, reject }));
  };
  const { targetId } = await call('Target.createTarget', { url });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  return (method, params) => call(method, params, sessionId);
}

/** The showcase itself; gives the page's address. */
async function start(t) {
  const script = fileURLToPath(new URL('run.mjs', import.meta.url));
  const python = process.env.PYTHON ?? 'python3';
  const all = spawn(process.execPath, [script, python, '--', '--size', '640x360'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => all.on('close', resolve));
  t.after(async () => {
    all.kill('SIGINT');
    await ended;
  });
  all.stdout.setEncoding('utf8');
  for await (const line of all.stdout) if (line.startsWith('http')) return line.trim();
  throw new Error('the showcase ended');
}

test('the page shows pictures, deaths and restarts, and nothing that was committed is lost (G3)', async (t) => {
  const page = await browse(t, await start(t));
  const shown = async () => {
    const expression = `JSON.stringify(Object.fromEntries(
      [...document.querySelectorAll('dd[id], span[id]')].map((one) => [one.id, one.textContent])))`;
    const { result } = await page('Runtime.evaluate', { expression });
    return JSON.parse(result.value);
  };
  const until = async (what, condition) => {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const now = await shown();
      if (condition(now)) return now;
      assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify(now)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  let seen = await until('pictures', ({ received, rate }) => received > 60 && rate > 5);
  assert.match(seen.latency, /^\d+\.\d ms$/);
  const look = `(() => {
    const { width, height } = document.getElementById('picture');
    const { data } = document.getElementById('picture').getContext('2d').getImageData(0, 0, width, height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`;
  const colors = (await page('Runtime.evaluate', { expression: look })).result.value;
  assert.ok(colors > 100, `a picture is drawn: ${colors} colours`);

  for (const side of ['camera', 'motion']) {
    const pid = Number(/runs (\d+)/.exec(seen[side])[1]);
    process.kill(pid, 'SIGKILL');
    await until(`the death of ${side}`, (now) => now[side].startsWith('died'));
    const before = Number(seen.received);
    const isBack = (now) =>
      now[side].startsWith('runs') && !now[side].endsWith(` ${pid}`) && now.received > before + 60;
    seen = await until(`the return of ${side}`, isBack);
  }
  assert.equal(seen.lost, '0', JSON.stringify(seen));
  if (process.env.SCREENSHOT) {
    const { data } = await page('Page.captureScreenshot', { format: 'png' });
    writeFileSync(process.env.SCREENSHOT, Buffer.from(data, 'base64'));
  }
});
