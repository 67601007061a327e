// Starts the three processes, and starts the Python ones again when they die.
//
// Usage: node run.mjs [PYTHON] [-- OPTIONS OF frames.py]

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const rest = process.argv.slice(2);
const python = rest[0] && rest[0] !== '--' ? rest[0] : 'python3';
const options = rest.includes('--') ? rest.slice(rest.indexOf('--') + 1) : [];
const notes = mkdtempSync(join(tmpdir(), 'kren-camera-'));
const frames = `camera-frames-${process.pid}`;
const motion = `camera-motion-${process.pid}`;

const running = new Set();
let isOver = false;

/** Ends all that is left with the server, or when told to. */
function end(code) {
  if (isOver) return;
  isOver = true;
  for (const child of running) child.kill('SIGINT');
  process.exitCode = code;
}

function start(program, args, again) {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  running.add(child);
  child.on('error', (error) => {
    console.error(`cannot start ${program}: ${error.message}`);
    end(1);
  });
  child.on('exit', (code, signal) => {
    running.delete(child);
    if (isOver) {
      if (running.size === 0) rmSync(notes, { recursive: true, force: true });
    } else if (again && signal) {
      setTimeout(() => isOver || start(program, args, again), 1000);
    } else {
      end(code || 1);
    }
  });
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(0));
start(python, ['frames.py', frames, join(notes, 'frames'), ...options], true);
start(python, ['motion.py', frames, motion], true);
start(process.execPath, ['server.js', motion], false);
