/** The version of this package, which must be that of its native layer. Here rather than read from package.json, which bundles lack. */
export const VERSION = '0.1.0';
