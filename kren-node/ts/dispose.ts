// `using` needs Symbol.dispose, which Node has from 18.18 and 20.4 on.

declare global {
  // For compilers and libraries from before them, which would stumble over the methods of these names.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

/** What compiled `using` declarations look for, whichever comes first: us or another library's polyfill. */
function ensure(name: 'dispose' | 'asyncDispose'): void {
  if (!Symbol[name]) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}

ensure('dispose');
ensure('asyncDispose');
