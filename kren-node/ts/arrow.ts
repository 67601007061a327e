// The package apache-arrow, for tables. It is no dependency: whoever sends none does not need it.

/** What is used of the module `apache-arrow`. */
export interface Arrow {
  // biome-ignore lint/suspicious/noExplicitAny: its types are those of another package.
  tableToIPC(table: any, type?: 'file' | 'stream'): Uint8Array;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  tableFromIPC(input: any): any;
}

let found: Arrow | undefined;

/** The module that was given, or the one that is installed. */
export function arrowOr(given: Arrow | undefined): Arrow {
  if (given !== undefined) return given;
  try {
    found ??= require('apache-arrow') as Arrow;
  } catch (error) {
    throw new Error(
      "tables need the package 'apache-arrow': npm install apache-arrow; where it is installed and not found, say in a " +
        "bundle, pass it: { arrow: await import('apache-arrow') }",
      { cause: error },
    );
  }
  return found;
}
