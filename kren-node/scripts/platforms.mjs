// The systems that have a prebuilt addon, by the target that Rust builds for. The name is the one that the loader
// (ts/native.ts) makes from the running process; a test holds the two together.

export const PLATFORMS = {
  'x86_64-unknown-linux-gnu': { name: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'aarch64-unknown-linux-gnu': { name: 'linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'x86_64-unknown-linux-musl': { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'aarch64-unknown-linux-musl': { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  'x86_64-pc-windows-msvc': { name: 'win32-x64', os: 'win32', cpu: 'x64' },
  // Another compiler for the same system.
  'x86_64-pc-windows-gnu': { name: 'win32-x64', os: 'win32', cpu: 'x64' },
  'aarch64-apple-darwin': { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  'x86_64-apple-darwin': { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
};

/** The file name of the addon for `target`, also for targets that nothing is published for. */
export function addonName(target) {
  const known = PLATFORMS[target];
  if (known) return `kren.${known.name}.node`;
  const [arch, , system, abi = ''] = target.split('-');
  const cpu = { x86_64: 'x64', aarch64: 'arm64', armv7: 'arm', i686: 'ia32' }[arch] ?? arch;
  if (system === 'darwin') return `kren.darwin-${cpu}.node`;
  if (system === 'windows') return `kren.win32-${cpu}.node`;
  return `kren.${system}-${cpu}-${abi.startsWith('musl') ? 'musl' : 'gnu'}.node`;
}

/** Where its package has the command line for `target`; ts/bin.ts looks there. */
export function programName(target) {
  return target.includes('-windows-') ? 'bin/kren.exe' : 'bin/kren';
}
