// Finds the addon. Everything here is for tools too: what packs a program (bundlers, tracers of dependencies) finds a
// package only where `require` has its name in so many words, and takes one that is missing for no failure only within
// `try`. And what such a tool has packed must still find the addon, which is a file of its own.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { platforms } from './platform';
import { VERSION } from './version';

/** What every build of the native layer has. */
interface Versioned {
  version(): string;
}

/** Looks in one place; throws where there is nothing. */
type Place = (platform: string) => unknown;

/** What was built in this folder. By its path: a bundler would take a `require` for a file to be put into the bundle. */
function built(platform: string): unknown {
  try {
    const module = { exports: {} };
    process.dlopen(module, join(__dirname, '..', `kren.${platform}.node`));
    return module.exports;
  } catch (error) {
    throw failure(`../kren.${platform}.node`, error);
  }
}

/** The package with the build for this platform. */
function installed(platform: string): unknown {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return require('@pawanxz/kren-linux-x64-gnu');
      case 'linux-arm64-gnu':
        return require('@pawanxz/kren-linux-arm64-gnu');
      case 'linux-x64-musl':
        return require('@pawanxz/kren-linux-x64-musl');
      case 'linux-arm64-musl':
        return require('@pawanxz/kren-linux-arm64-musl');
      case 'win32-x64':
        return require('@pawanxz/kren-win32-x64');
      case 'darwin-arm64':
        return require('@pawanxz/kren-darwin-arm64');
      case 'darwin-x64':
        return require('@pawanxz/kren-darwin-x64');
    }
  } catch (error) {
    throw failure(`@pawanxz/kren-${platform}`, error);
  }
  throw failure(`@pawanxz/kren-${platform}`, 'not a platform with a prebuilt addon');
}

/**
 * Around a bundler, whose own `require` knows its own modules alone: beside the file that runs, and in the packages that
 * are installed for it.
 */
const around: Place[] = [typeof __filename === 'string' ? __filename : undefined, process.argv[1]]
  .filter((file) => file !== undefined)
  .flatMap((file): Place[] => [
    (platform) => from(file, `./kren.${platform}.node`),
    (platform) => from(file, `@pawanxz/kren-${platform}`),
    // What a tracer leaves of that package where it takes the file for all of it.
    (platform) => from(file, `@pawanxz/kren-${platform}/kren.${platform}.node`),
    (platform) => from(manifest(file), `./kren.${platform}.node`),
    (platform) => from(manifest(file), `@pawanxz/kren-${platform}`),
  ]);

function from(file: string, what: string): unknown {
  try {
    return createRequire(file)(what);
  } catch (error) {
    throw failure(`${what} from ${file}`, error);
  }
}

/** The package itself as the code in `file` would get it: only from there are its dependencies found under pnpm. */
function manifest(file: string): string {
  try {
    return createRequire(file).resolve('@pawanxz/kren/package.json');
  } catch (error) {
    throw failure(`@pawanxz/kren from ${file}`, error);
  }
}

function failure(place: string, error: unknown): Error {
  return new Error(`${place}: ${String((error as Error).message ?? error).split('\n')[0]}`);
}

/** The native layer that fits this process and this package. */
export function findAddon(): unknown {
  const fitting = platforms();
  const failures = new Set<string>();
  for (const platform of fitting) {
    for (const place of [built, installed, ...around]) {
      try {
        const addon = place(platform) as Versioned;
        const version = addon.version?.();
        if (version === VERSION) return addon;
        failures.add(
          `an addon for ${platform} is of version ${version}, and @pawanxz/kren of ${VERSION}: install both anew`,
        );
      } catch (error) {
        failures.add((error as Error).message);
      }
    }
  }
  throw new Error(
    `kren: no native addon for ${fitting.join(' or ')}. ` +
      'In a checkout: run "npm run build" in kren-node. Installed: install @pawanxz/kren again, without ' +
      '--omit=optional, on the system it is to run on. In a bundle: leave @pawanxz/kren out of it, as ' +
      'docs/guide/bundlers.md of https://github.com/Cintu07/kren has it. Tried:\n' +
      [...failures].map((text) => `  ${text}`).join('\n'),
  );
}
