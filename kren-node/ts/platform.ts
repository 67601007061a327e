// Which build of the native layer this process can load.

import { closeSync, openSync, readSync } from 'node:fs';

/**
 * The names of the platforms whose addon fits, as its file and its package are called after them: one, or on Linux two
 * where it cannot be told which C library the process runs on.
 */
export function platforms(): string[] {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return [base];
  // Not process.report: a report looks the names of all open connections up, which takes as long as a name server does.
  const linker = interpreter(process.execPath) ?? interpreter('/proc/self/exe');
  if (linker === undefined) return [`${base}-gnu`, `${base}-musl`];
  return [`${base}-${/\bld-musl/.test(linker) ? 'musl' : 'gnu'}`];
}

const PT_INTERP = 3;
/** The program headers lie at the start of a file, and so does the path of the interpreter. */
const HEAD = 4096;

/** The dynamic linker that the ELF program `file` names; `undefined` where it names none, or cannot be read. */
function interpreter(file: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const head = Buffer.alloc(HEAD);
    readSync(descriptor, head, 0, HEAD, 0);
    if (head.readUInt32BE(0) !== 0x7f454c46) return undefined;
    const isLittle = head[5] === 1;
    const isLong = head[4] === 2;
    const half = (at: number): number => (isLittle ? head.readUInt16LE(at) : head.readUInt16BE(at));
    const word = (at: number): number => (isLittle ? head.readUInt32LE(at) : head.readUInt32BE(at));
    const size = (at: number): number => {
      if (!isLong) return word(at);
      return Number(isLittle ? head.readBigUInt64LE(at) : head.readBigUInt64BE(at));
    };
    const [table, entry, count] = isLong ? [size(32), half(54), half(56)] : [size(28), half(42), half(44)];
    for (let at = table; at < table + entry * count; at += entry) {
      if (word(at) !== PT_INTERP) continue;
      const [offset, length] = isLong ? [size(at + 8), size(at + 32)] : [size(at + 4), size(at + 16)];
      const path = Buffer.alloc(Math.min(length, HEAD));
      readSync(descriptor, path, 0, path.length, offset);
      return path.toString('latin1').replace(/\0.*$/s, '');
    }
  } catch {
    // Not allowed to read it, or it is not what it seems: as where it names none.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  return undefined;
}
